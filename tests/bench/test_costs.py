"""How CPU seconds become a cost per feedback."""

from bench.costs import Spent


def _spent(
    loop: float, whole: float, *, backend: float = 0.0, server: float = 0.0, broker: float = 0.0
) -> Spent:
    return Spent({"desk": loop}, {"desk": whole}, {"desk": backend}, server, broker)


def test_what_other_threads_than_the_loop_use_is_ours_and_told_apart() -> None:
    costs = _spent(2.0, 5.0).since(_spent(1.0, 1.0), items=1000)

    assert costs["desk_loop_us"] == 1000
    assert costs["desk_threads_us"] == 3000
    assert (costs["ours_us"], costs["database_us"], costs["cpu_us"]) == (4000, 0, 4000)


def test_a_backend_counts_for_its_service_and_the_whole_server_once() -> None:
    costs = _spent(1.0, 1.0, backend=2.0, server=3.0, broker=4.0).since(_spent(0.0, 0.0), items=1000)

    assert costs["desk_database_us"] == 2000
    assert costs["database_us"] == 3000
    assert costs["broker_us"] == 4000
    assert costs["cpu_us"] == 8000
