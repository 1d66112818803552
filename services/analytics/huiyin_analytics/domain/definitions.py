"""The figures of the suite: what each is called, what it means in words, and which counts it is made of.

A definition is versioned: when its meaning changes, its version grows. The needs behind them: the loop that closes S43,
satisfaction S44, on-time rate and shares of types S46, NPS S51.
"""

from collections.abc import Mapping
from typing import Final

from huiyin_analytics.domain.cells import Measure
from huiyin_analytics.domain.metrics import Kind, Metric, Part, Unit, Words


def _count(name: str, title: Words, definition: Words, *parts: Part, variant: str | None = None) -> Metric:
    return Metric(
        name=name,
        title=title,
        definition=definition,
        unit=Unit.COUNT,
        kind=Kind.SUM,
        parts=parts,
        variant=variant,
        always_by=(variant,) if variant else (),
    )


def _durations(name: str, title: Words, definition: Words, measure: Measure) -> tuple[Metric, Metric]:
    """Return the average and the 90th percentile of a duration."""
    within = Words(
        f"{definition.zh_cn}第 90 百分位（最近秩），读自分桶，误差不超过 1/16。",
        f"{definition.en} 90th percentile by nearest rank, read from buckets, at most 1/16 off.",
    )
    average = Metric(
        name=f"average_{name}",
        title=Words(f"平均{title.zh_cn}", f"Average {title.en.lower()}"),
        definition=definition,
        unit=Unit.SECONDS,
        kind=Kind.MEAN,
        parts=(Part(measure),),
    )
    p90 = Metric(
        name=f"p90_{name}",
        title=Words(f"{title.zh_cn}第 90 百分位", f"90th percentile of {title.en.lower()}"),
        definition=within,
        unit=Unit.SECONDS,
        kind=Kind.PERCENTILE,
        parts=(Part(measure),),
        percent=90,
    )
    return average, p90


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        _count(
            "feedback_received",
            Words("收到的反馈", "Feedback received"),
            Words(
                "已受理的反馈条数，按发生时间的本地日期。",
                "Accepted feedback, on the local date on which it occurred.",
            ),
            Part(Measure.RECEIVED),
        ),
        _count(
            "outcomes",
            Words("反馈去向", "Outcomes"),
            Words(
                "按当前去向（工单、并入、待分拣、致谢、非反馈）计的反馈条数，更正后按新的去向；按发生时间的本地日期。",
                "Feedback by what became of it as known now (ticket, attached, triage, thanked, not_feedback), on the "
                "local date on which it occurred.",
            ),
            Part(Measure.OUTCOME),
            variant="outcome",
        ),
        _count(
            "feedback_attached",
            Words("并入的反馈", "Feedback attached"),
            Words(
                "并入已有工单的反馈，按原因（追加、重发、人工）分别计，按并入的本地日期。",
                "Feedback that joined a ticket that was there before, by reason (follow_up, resent, person), on the local date "
                "on which it joined.",
            ),
            Part(Measure.ATTACHED),
            variant="reason",
        ),
        _count(
            "tickets_routed",
            Words("派单数", "Tickets routed"),
            Words(
                "派出的工单数，每张只计一次：首次派单的本地日期，当前所在部门。",
                "Tickets dispatched, each once: on the local date of the first routing, at the department where the "
                "ticket stands now.",
            ),
            Part(Measure.ROUTED),
        ),
        _count(
            "tickets_rerouted",
            Words("改派次数", "Tickets rerouted"),
            Words(
                "首次派单之后的每次改派，按改派的本地日期和改派到的部门。",
                "Every routing after a ticket's first, on its local date, at the department it went to.",
            ),
            Part(Measure.REROUTED),
        ),
        _count(
            "tickets_answered",
            Words("已答复", "Tickets answered"),
            Words(
                "每张工单每一轮的首次答复，按答复的本地日期和部门。",
                "First answers, one for each cycle of a ticket, on the local date of the answer, at the department that gave it.",
            ),
            Part(Measure.ANSWERED),
        ),
        _count(
            "tickets_resolved",
            Words("已解决", "Tickets resolved"),
            Words(
                "标记解决的次数，按其本地日期和部门；重开后再次解决另计。",
                "Resolutions on their local date, at the department; a ticket resolved again after a reopening counts again.",
            ),
            Part(Measure.RESOLVED),
        ),
        _count(
            "tickets_reopened",
            Words("重开", "Tickets reopened"),
            Words("重开的次数，按其本地日期。", "Reopenings on their local date."),
            Part(Measure.REOPENED),
        ),
        _count(
            "tickets_archived",
            Words("归档", "Tickets archived"),
            Words("归档的次数，按其本地日期。", "Archivings on their local date."),
            Part(Measure.ARCHIVED),
        ),
        Metric(
            name="type_share",
            title=Words("类型占比", "Share of types"),
            definition=Words(
                "某类型的反馈占全部已分类反馈（不含“非反馈”）的比例，按发生时间的本地日期。",
                "Feedback of a type as a share of all classified feedback that is feedback, on the local date on which "
                "it occurred.",
            ),
            unit=Unit.RATIO,
            kind=Kind.RATIO,
            parts=tuple(
                Part(Measure.OUTCOME, outcome)
                for outcome in ("ticket", "attached", "triage", "thanked", "other")
            ),
            share_of="type",
            always_by=("type",),
        ),
        Metric(
            name="on_time_rate",
            title=Words("及时率", "On-time rate"),
            definition=Words(
                "按时完成 ÷（按时完成 + 超时），每个时限（分类、答复、解决）分别计；完成计在完成日，超时计在到期日；撤回的超时不计。",
                "Clocks met ÷ (met + breached), each target by itself; what was met counts on the local date it was done, "
                "what was breached on that of the deadline. A breach taken back does not count.",
            ),
            unit=Unit.RATIO,
            kind=Kind.RATIO,
            parts=(Part(Measure.MET),),
            base=(Part(Measure.MET), Part(Measure.BREACHED)),
            variant="target",
            always_by=("target",),
        ),
        _count(
            "breaches",
            Words("超时", "Breaches"),
            Words(
                "超过期限的次数，按到期的本地日期，各时限分别计；撤回的不计。",
                "Missed deadlines on their local date, each target by itself; those taken back do not count.",
            ),
            Part(Measure.BREACHED),
            variant="target",
        ),
        _count(
            "warnings",
            Words("超时预警", "Warnings"),
            Words(
                "时限到期前的预警次数，按预警的本地日期。",
                "Warnings before a deadline, on their local date, each target by itself.",
            ),
            Part(Measure.WARNED),
            variant="target",
        ),
        Metric(
            name="closure_rate",
            title=Words("闭环率", "Closed-loop rate"),
            definition=Words(
                "首次派单在该期间的工单中，如今已归档的比例；并入其他工单的不计，归档后重开的算未闭环（目标 100 %）。",
                "Of the tickets first routed in the period, the share that stands archived now; tickets merged into others "
                "are left out, a reopened one is not closed (target 100 %).",
            ),
            unit=Unit.RATIO,
            kind=Kind.RATIO,
            parts=(Part(Measure.CLOSED),),
            base=(Part(Measure.ROUTED), Part(Measure.MERGED, weight=-1)),
        ),
        Metric(
            name="satisfaction_rate",
            title=Words("处理满意率", "Satisfaction with handling"),
            definition=Words(
                "复核结果为满意的次数 ÷ 全部复核次数，按复核的本地日期（目标不低于 90 %）。",
                "Reviews that found the customer satisfied ÷ all reviews, on the local date of the review (target "
                "at least 90 %).",
            ),
            unit=Unit.RATIO,
            kind=Kind.RATIO,
            parts=(Part(Measure.REVIEWED, "satisfied"),),
            base=(Part(Measure.REVIEWED),),
        ),
        Metric(
            name="nps",
            title=Words("净推荐值", "Net promoter score"),
            definition=Words(
                "打 9–10 分者的百分比减去打 0–6 分者的百分比；没有回答时无值，按发生时间的本地日期。",
                "Percent of answers 9 to 10 minus percent of answers 0 to 6; undefined without answers; on the local date "
                "on which they occurred.",
            ),
            unit=Unit.POINTS,
            kind=Kind.RATIO,
            parts=(Part(Measure.NPS, lowest=9, highest=10), Part(Measure.NPS, highest=6, weight=-1)),
            base=(Part(Measure.NPS),),
            scale=100,
        ),
        Metric(
            name="csat",
            title=Words("评分满意率", "Satisfaction by ratings"),
            definition=Words(
                "评分达到量表 80 % 及以上（5 分制的 4、5 分）的比例，按发生时间的本地日期。",
                "Ratings of at least 80 % of their scale (4 and 5 of 5) ÷ all ratings, on the local date on which they occurred.",
            ),
            unit=Unit.RATIO,
            kind=Kind.RATIO,
            parts=(Part(Measure.RATING, lowest=80),),
            base=(Part(Measure.RATING),),
        ),
        *_durations(
            "classification_time",
            Words("分类用时", "Classification time"),
            Words(
                "从受理到首次定出去向（待分拣不算）的时长，按定出去向的本地日期。",
                "From receipt to the first outcome other than triage, on the local date of that outcome.",
            ),
            Measure.CLASSIFICATION_TIME,
        ),
        *_durations(
            "response_time",
            Words("首次答复用时", "Response time"),
            Words(
                "每一轮从派单（或重开）到首次答复的时长，解决也算答复，含暂停，按答复的本地日期。",
                "In each cycle from routing (or reopening) to the first answer, a resolution counts as one; elapsed time, "
                "holds included; on the local date of the answer.",
            ),
            Measure.RESPONSE_TIME,
        ),
        *_durations(
            "resolution_time",
            Words("解决用时", "Resolution time"),
            Words(
                "每一轮从派单（或重开）到解决的时长，含暂停，按解决的本地日期。",
                "In each cycle from routing (or reopening) to the resolution; elapsed time, holds included; on the local "
                "date of the resolution.",
            ),
            Measure.RESOLUTION_TIME,
        ),
    )
}
"""Every metric by its name."""
