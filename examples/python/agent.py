"""A Warrener agent with nothing but pika:  RABBITMQ_URL=amqp://localhost python agent.py NAME [LANE...]

Waits for a server, joins, claims, works on two tasks at once, is cancelled and drained. If its connection ends, so does
it, and what it ran goes to another agent: start it again. The URL is no argument: everybody here can read those.
"""
import json, os, sys, threading, time, uuid
import pika

URL = os.environ.get("WARRENER_BROKER__URL") or os.environ.get("RABBITMQ_URL") or "amqp://localhost"
NAME, LANES = sys.argv[1], sys.argv[2:] or ["default"]
ME = {"agent_id": NAME, "instance": uuid.uuid4().hex[:8]}


def work(task, stop):
    """What this agent is for: returns the output. Looks at `stop` now and then, which is set when it shall end."""
    stop.wait((task["input"] or {}).get("seconds", 0))
    return {"text": task["title"].upper()}


def say(kind, body, id=None):  # a resend keeps its id
    about = pika.BasicProperties(type=kind, message_id=id or str(uuid.uuid4()), app_id="warrener", delivery_mode=2,
                                 content_type="application/json", timestamp=int(time.time()), headers=store)
    channel.basic_publish("agent.in", f"{kind}.{NAME}", json.dumps({"v": 1, **body, **ME}), about, mandatory=True)


def opened():  # the exchange is there once the first server was; asking for it before that ends the channel
    while True:
        try:
            channel = connection.channel()
            channel.exchange_declare("agent.in", passive=True)
            return channel
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != 404:
                raise
            connection.sleep(5)


def hello():  # again until it is answered
    if not beat:
        try:
            say("hello", {"name": NAME, "role": "worker", "lanes": LANES, "kinds": ["*"], "slots": 2, "version": "1"})
        except pika.exceptions.UnroutableError:
            pass  # a server is about to bind the queue
        connection.call_later(5, hello)


def heartbeat():  # renews the lease of each run it lists
    held = [{key: run[key] for key in ("task_id", "attempt", "epoch")} for run in runs.values() if "epoch" in run]
    say("heartbeat", {"slots": 2, "busy": len(held), "state": "draining" if leaving else "up", "leases": held})
    connection.call_later(beat / 1000, heartbeat)


def offered(_, method, __, body):  # an offer starts nothing: it is claimed first
    task, claim = json.loads(body), str(uuid.uuid4())
    runs[claim] = {"task_id": task["task_id"], "task": task, "tag": method.delivery_tag, "stop": threading.Event(),
                   "asks": {"offer": task["offer"], "redelivered": method.redelivered}}
    ask(claim)


def ask(claim, started=False):  # again until it is answered
    run = runs.get(claim)
    if run and ("epoch" in run) == started:
        say("claim", {"claim": claim, "task_id": run["task_id"], "started": started, **run["asks"]})
        run["asked"] = time.monotonic()
        if not started:
            connection.call_later(2, lambda: ask(claim))


def granted(body):
    run = runs.get(body["claim"])
    if run and "epoch" in run:
        ask(body["claim"], started=True)  # a grant for what runs is a question
    elif run and time.monotonic() - run["asked"] < 10:
        run.update(attempt=body["attempt"], epoch=body["epoch"])
        channel.basic_ack(run["tag"])  # from here on the lease owns the run
        threading.Thread(target=start, args=(body["claim"], run), daemon=True).start()


def start(claim, run):
    try:
        end = {"status": "succeeded", "output": work(run["task"], run["stop"])}
    except Exception as error:
        end = {"status": "failed", "error": {"class": "business", "message": repr(error)}}
    if run["stop"].is_set():
        end = run["instead"]
    end.update({key: run[key] for key in ("task_id", "attempt", "epoch")})
    connection.add_callback_threadsafe(lambda: report(claim, end, str(uuid.uuid4())))


def report(claim, end, id):  # again until it is recorded or revoked
    if claim in runs:
        say("outcome", end, id)
        connection.call_later(10, lambda: report(claim, end, id))


def stop(run, instead):  # what it will be said to have come to
    run["instead"] = instead
    run["stop"].set()


def release():  # the time of a drain is over: what still runs is given back
    for run in runs.values():
        if "epoch" in run and not run["stop"].is_set():
            stop(run, {"status": "released", "reason": "drain"})


def over(which):  # these are recorded, refused or revoked: nothing more is said of them
    for claim, run in list(runs.items()):
        if which(claim, run):
            stop(runs.pop(claim), {})
            if "epoch" not in run:
                channel.basic_ack(run["tag"])


def told(_, method, about, body):
    global beat, leaving, store
    kind, body = about.type, json.loads(body)
    store = {"warrener-store": about.headers["warrener-store"]}
    same = lambda run, it: run["task_id"] == it["task_id"] and run.get("epoch") == it["epoch"]
    if kind == "welcome" and not beat:
        beat = body["heartbeat_ms"]
        heartbeat()
        for each in body["queues"]:
            channel.basic_qos(prefetch_count=each["prefetch"])
            consumers.append(channel.basic_consume(each["queue"], offered))
    elif kind == "unwelcome":
        sys.exit(body["message"])
    elif kind == "claim.granted":
        granted(body)
    elif kind == "claim.refused":
        over(lambda claim, run: claim == body["claim"])
    elif kind == "revoke":
        over(lambda claim, run: same(run, body))
    elif kind == "recorded":
        over(lambda claim, run: any(same(run, it) for it in body["leases"]))
    elif kind == "cancel":
        [stop(run, {"status": "cancelled"}) for run in runs.values() if same(run, body)]
    elif kind == "drain":
        leaving = True
        [channel.basic_cancel(consumer) for consumer in consumers]
        if body.get("within_ms") is not None:
            connection.call_later(body["within_ms"] / 1000, release)
    channel.basic_ack(method.delivery_tag)


runs, consumers, beat, leaving, store = {}, [], None, False, None
connection = pika.BlockingConnection(pika.URLParameters(URL))
channel = opened()
channel.confirm_delivery()
control = f"agent.control.{NAME}.{ME['instance']}"
channel.queue_declare(control, exclusive=True)
channel.basic_consume(control, told)
hello()
while runs or not leaving:
    connection.process_data_events(time_limit=0.2)
say("bye", {"reason": "drain"})
connection.close()
