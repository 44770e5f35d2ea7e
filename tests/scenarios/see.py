# SPDX-License-Identifier: Apache-2.0
# What the metrics of zqublkd say, and a Prometheus that scrapes them:
#   see.py numbers                        the numbers of the endpoint, as JSON
#   see.py same                           waits until Prometheus has the endpoint's numbers, all of them
#   see.py ask QUERY                      the one number that Prometheus answers
#   see.py graphs DASHBOARD BEGUN WINDOW  each panel's queries since a time, as JSON
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ENDPOINT = "http://127.0.0.1:9813/metrics"
PROMETHEUS = "http://127.0.0.1:9090/api/v1/"
LINE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def key(name, labels):
    # Prometheus writes bounds of buckets in a way of its own
    labels = {k: repr(float(v)) if k == "le" else v for k, v in labels.items()}
    return name, tuple(sorted(labels.items()))


def endpoint():
    found = {}
    with urllib.request.urlopen(ENDPOINT) as text:
        for line in text.read().decode().splitlines():
            if not line.startswith("#"):
                name, labels, value = LINE.match(line).groups()
                pairs = {k: v.replace(r"\"", '"').replace(r"\n", "\n").replace(r"\\", "\\") for k, v in LABEL.findall(labels or "")}
                found[key(name, pairs)] = float(value)
    return found


def query(path, **args):
    with urllib.request.urlopen(PROMETHEUS + path + "?" + urllib.parse.urlencode(args)) as answer:
        return json.load(answer)["data"]["result"]


def numbers():
    found = endpoint().items()
    json.dump([{**dict(labels), "metric": n.removeprefix("zqublkd_"), "value": int(v) if v == int(v) else v}
               for (n, labels), v in found], sys.stdout)


def same():
    end = time.time() + 60
    while True:
        ours, theirs = endpoint(), {}
        try:
            for r in query("query", query='{__name__=~"zqublkd_.+"}'):
                labels = {k: v for k, v in r["metric"].items() if k not in ("__name__", "job", "instance")}
                theirs[key(r["metric"]["__name__"], labels)] = float(r["value"][1])
        except urllib.error.URLError:
            pass  # it is starting
        if ours == theirs and ours == endpoint():
            print(len(ours))
            return
        if time.time() > end:
            for k in sorted(set(ours) | set(theirs)):
                if ours.get(k) != theirs.get(k):
                    print(k, "endpoint", ours.get(k), "Prometheus", theirs.get(k), file=sys.stderr)
            sys.exit(1)
        time.sleep(0.5)


def ask(text):
    results = query("query", query=text)
    if len(results) != 1:
        sys.exit(f"{text}: {len(results)} answers: {results}")
    print(results[0]["value"][1])


def graphs(dashboard, begun, window):
    with open(dashboard) as f:
        panels = json.load(f)["panels"]
    end = time.time() + 60
    while True:  # a slow machine may not have been scraped twice since the last label came
        now, drawn = time.time(), []
        for p in panels:
            found = [s for t in p["targets"] for s in lines(t, float(begun), now, window)]
            drawn.append({"title": p["title"], "unit": p["fieldConfig"]["defaults"].get("unit", ""), "series": found})
        missing = [d["title"] for d in drawn if not d["series"]]
        if not missing:
            json.dump(drawn, sys.stdout)
            return
        if now > end:
            sys.exit(f"Prometheus has no answer for {missing}")
        time.sleep(1)


def lines(target, begun, now, window):
    text = target["expr"].replace("$__rate_interval", window).replace("$device", ".*")
    for r in query("query_range", query=text, start=begun, end=now, step=max(1, int(now - begun) // 60)):
        name = re.sub(r"\{\{(\w+)\}\}", lambda m: r["metric"].get(m[1], ""), target["legendFormat"])
        points = [[round(t - begun, 1), float(v)] for t, v in r["values"] if v not in ("NaN", "+Inf")]
        if points:
            yield {"name": name, "points": points}


{"numbers": numbers, "same": same, "ask": ask, "graphs": graphs}[sys.argv[1]](*sys.argv[2:])
