"""Create the topics of `pipeline.topics()`, and refuse to run on topics with other partition counts."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams import pipeline
from streams.errors import Defect, Unavailable
from streams.settings import Settings


def full_name(topic: str, settings: Settings) -> str:
    return settings.topic_prefix + topic


async def create_topics(settings: Settings) -> None:
    """Make what is missing; safe to call from several processes at once.

    Raises: `Unavailable` when the broker does not answer, `Defect` when a topic exists with fewer partitions than
        the table says (consumers of other stages would wait for records that hash elsewhere).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=30_000)
    try:
        await admin.start()
        wanted = {full_name(topic.name, settings): topic for topic in pipeline.topics()}
        existing = set(await admin.list_topics())
        new = [
            NewTopic(name, topic.partitions, 1, topic_configs=topic.config)
            for name, topic in wanted.items()
            if name not in existing
        ]
        if new:
            answer = await admin.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                if code and not issubclass(for_code(code), TopicAlreadyExistsError):
                    raise Unavailable(f"the broker would not create topic '{name}': {for_code(code).__name__}")
        for found in await admin.describe_topics(sorted(wanted)):
            expected = wanted[found["topic"]].partitions
            if found["error_code"] == 0 and len(found["partitions"]) < expected:
                fact = f"topic '{found['topic']}' has {len(found['partitions'])} partitions, {expected} are needed"
                raise Defect(fact, "raise its partition count, or set SOUNDTRACE_TOPIC_PREFIX to start afresh")
    except (KafkaError, OSError) as error:
        raise Unavailable(f"the broker at {settings.kafka_bootstrap} does not answer: {error!r}") from error
    finally:
        await admin.close()
