"""Prints whatever is published on a traced vhost, one JSON object a line:  python tap.py URL"""
import json, os, sys
import pika


def copied(channel, method, about, body):
    kind = about.headers["properties"].get("type", "")
    text = kind.decode() if isinstance(kind, bytes) else kind
    print(json.dumps({"type": text, "key": about.headers["routing_keys"][0], "body": body.decode()}), flush=True)


channel = pika.BlockingConnection(pika.URLParameters(os.environ["WARRENER_BROKER__URL"])).channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "amq.rabbitmq.trace", "publish.#")
channel.basic_consume(queue, copied, auto_ack=True)
print(json.dumps({"type": "", "key": "", "body": "reading"}), flush=True)
channel.start_consuming()
