"""Says hello in somebody's name, without a queue to be answered on:  python forger.py NAME"""
import json, os, sys, uuid
import pika

name = sys.argv[1]
body = {"v": 1, "agent_id": name, "instance": "00000001", "lanes": ["default"], "slots": 1}
about = pika.BasicProperties(type="hello", message_id=str(uuid.uuid4()))
connection = pika.BlockingConnection(pika.URLParameters(os.environ["WARRENER_BROKER__URL"]))
channel = connection.channel()
channel.confirm_delivery()
channel.basic_publish("agent.in", f"hello.{name}", json.dumps(body), about, mandatory=True)
connection.close()
