"""Everything the commands say, in English and in Chinese."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Messages:
    """All texts of one language; `{…}` are filled in with `str.format`."""

    lang: str
    starting: str
    started: str
    hired: str
    first_ticket: str
    verifying: str
    progress: str
    posting: str
    settling: str
    posted: str
    classified: str
    breached_so_far: str
    headline: str
    intake: str
    outcomes: str
    deadlines: str
    dead: str
    department: str
    arrived: str
    answered: str
    archived: str
    on_time: str
    breached: str
    routed: str
    issues: str
    issue: str
    count: str
    verified: str
    not_verified: str
    check_failed: str
    up: str
    key: str
    broker: str
    docs: str
    try_queue: str
    try_timeline: str
    try_post: str
    stop: str
    seeded: str
    refused_row: str
    unsettled: str


ENGLISH: Final = Messages(
    lang="en",
    starting="Starting the suite in {folder} …",
    started="Ready at {url} after {seconds:.0f} s.",
    hired="{departments} departments are at work; {rows} pieces of feedback come in.",
    first_ticket="First ticket in a department's queue {seconds:.1f} s after the start.",
    verifying="Recounting across all databases and the log …",
    progress="{seconds:3.0f} s  posted {posted}/{total}, classified {classified}, tickets {tickets}, "
    "answered {answered}, archived {archived}, deadlines missed {breached}, in triage {triage}, "
    "thanked {thanked}",
    posting="Posting",
    settling="Classifying",
    posted="posted",
    classified="classified",
    breached_so_far="deadline missed",
    headline="What became of {posted} pieces of feedback in {seconds:.0f} s",
    intake="{accepted} new, {duplicates} repeats dropped, {refused} refused",
    outcomes="{tickets} tickets, {attached} attached to a ticket, {triage} waiting in triage for a person, "
    "{thanked} thanked, {not_feedback} not feedback",
    deadlines="{on_time} tickets on time, {breached} missed a deadline",
    dead="{dead} events could not be taken by a service: see `huiyin events dead list`",
    department="department",
    arrived="tickets",
    answered="answered",
    archived="archived",
    on_time="on time",
    breached="missed",
    routed="Routed",
    issues="Top issues",
    issue="type / subtype",
    count="feedback",
    verified="Verified: {checks} checks across databases and log found nothing lost and nothing done twice.",
    not_verified="Not verified: {failed} of {checks} checks failed.",
    check_failed="  {name}: {examples}",
    up="The suite stays up at {url}, its API described at {url}/docs.",
    key="Admin key: {key}",
    broker="Kafka clients reach the broker at {bootstrap}; examples/ has two.",
    docs="Three calls to try:",
    try_queue="# a department's queue",
    try_timeline="# what happened to a ticket",
    try_post="# a feedback of your own",
    stop="Ctrl-C stops it; the data stays in {folder} until the next demo.",
    seeded="{posted} rows in {seconds:.1f} s ({rate:.0f} a second): {accepted} new, {duplicates} repeats, "
    "{refused} refused",
    refused_row="row {number} refused: {reason}",
    unsettled="{waiting} pieces of feedback have no outcome yet, and nothing has moved for a minute",
)

CHINESE: Final = Messages(
    lang="zh",
    starting="正在 {folder} 启动整套服务……",
    started="{seconds:.0f} 秒后就绪：{url}",
    hired="{departments} 个部门开始工作，{rows} 条反馈陆续进入。",
    first_ticket="启动 {seconds:.1f} 秒后，第一张工单进入部门队列。",
    verifying="正在跨全部数据库与日志核对……",
    progress="{seconds:3.0f} 秒  已提交 {posted}/{total}，已分类 {classified}，工单 {tickets}，"
    "已答复 {answered}，已归档 {archived}，超时 {breached}，待人工 {triage}，已致谢 {thanked}",
    posting="提交",
    settling="分类",
    posted="已提交",
    classified="已分类",
    breached_so_far="已超时",
    headline="{posted} 条反馈在 {seconds:.0f} 秒内的去向",
    intake="新反馈 {accepted} 条，重复 {duplicates} 条已去重，拒收 {refused} 条",
    outcomes="工单 {tickets} 张，并入已有工单 {attached} 条，待人工分拣 {triage} 条，"
    "已致谢 {thanked} 条，非反馈 {not_feedback} 条",
    deadlines="{on_time} 张工单按时，{breached} 张超过时限",
    dead="{dead} 个事件未能被服务接收：见 `huiyin events dead list`",
    department="部门",
    arrived="工单",
    answered="已答复",
    archived="已归档",
    on_time="按时",
    breached="超时",
    routed="派单",
    issues="突出问题",
    issue="类型 / 子类型",
    count="反馈",
    verified="核对通过：跨数据库与日志的 {checks} 项检查，无一遗漏，无一重复。",
    not_verified="核对未通过：{checks} 项检查中有 {failed} 项失败。",
    check_failed="  {name}：{examples}",
    up="服务保持运行：{url}，接口说明在 {url}/docs。",
    key="管理密钥：{key}",
    broker="Kafka 客户端可连接 {bootstrap}；examples/ 中有两个示例。",
    docs="可以试试三个请求：",
    try_queue="# 某部门的队列",
    try_timeline="# 一张工单的经过",
    try_post="# 提交一条反馈",
    stop="按 Ctrl-C 停止；数据保留在 {folder}，直到下次演示。",
    seeded="{seconds:.1f} 秒提交 {posted} 条（每秒 {rate:.0f} 条）：新 {accepted} 条，重复 {duplicates} 条，"
    "拒收 {refused} 条",
    refused_row="第 {number} 条被拒收：{reason}",
    unsettled="{waiting} 条反馈尚无结果，且一分钟内没有进展",
)


def messages_for(lang: str | None, environment: Mapping[str, str] = os.environ) -> Messages:
    """Return the texts of a language such as `zh-CN`; without one, of the environment's, English by default."""
    asked = lang or next(
        (environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), ""
    )
    return CHINESE if asked.lower().startswith("zh") else ENGLISH


def department_name(slug: str, names: Mapping[str, str], *, messages: Messages) -> str:
    """Return how a department is called: in Chinese, or in English with the Chinese beside it."""
    chinese = names.get("zh-CN") or names.get("zh")
    if messages.lang == "zh":
        return chinese or names.get("en") or slug
    english = names.get("en") or slug
    return f"{english} {chinese}" if chinese and chinese != english else english
