"""Shows events as they pass, like kcat: any Kafka client can read the bus, this one is librdkafka.

    python examples/reader.py [--from-beginning] [--count N] [TOPIC …]

Prints topic, partition, offset, key and the CloudEvents headers, then the JSON value; without topics, of all public
ones. It joins no consumer group, so that it takes nothing away from anybody. HUIYIN_BOOTSTRAP names the broker
(127.0.0.1:9092). Needs `pip install confluent-kafka`.
"""

import argparse
import os

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Message, TopicPartition


def main() -> None:
    """Read until interrupted, or until so many events were shown."""
    arguments = parse_arguments()
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("HUIYIN_BOOTSTRAP", "127.0.0.1:9092"),
            "group.id": "reader",  # asked for by librdkafka, joined by nobody: partitions are assigned by hand
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.assign(partitions(consumer, arguments))
        shown = 0
        while arguments.count is None or shown < arguments.count:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise SystemExit(str(message.error()))
            print(as_text(message), flush=True)
            shown += 1
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Show events as they pass.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC")
    parser.add_argument("--from-beginning", action="store_true", help="start with the oldest events")
    parser.add_argument("--count", type=int, help="end after so many events")
    return parser.parse_args()


def partitions(consumer: Consumer, arguments: argparse.Namespace) -> list[TopicPartition]:
    """Return the partitions to read: of the topics asked for, or of all that are not Kafka's own."""
    known = consumer.list_topics(timeout=10).topics
    wanted = arguments.topics or [name for name in known if not name.startswith("__")]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise SystemExit(
            f"no such topic: {', '.join(unknown)}" if unknown else "the broker has no topics yet"
        )
    start = OFFSET_BEGINNING if arguments.from_beginning else OFFSET_END
    return [TopicPartition(name, number, start) for name in wanted for number in known[name].partitions]


def as_text(message: Message) -> str:
    """Return an event as three lines: where it stands, its headers, its value."""
    headers = " ".join(f"{name}={value.decode()}" for name, value in message.headers() or ())
    place = f"{message.topic()}[{message.partition()}]@{message.offset()} {message.key().decode()}"
    return f"{place}\n  {headers}\n  {message.value().decode()}"


if __name__ == "__main__":
    main()
