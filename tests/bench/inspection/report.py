#!/usr/bin/env python3
"""Tables of the inspection benches, with the targets beside the figures. Exit code 1 when a target is missed.

usage: report.py speed MODSEC_TIMES REPLAY.json [REPLAY.json ...]
       report.py growth MODSEC_TIMES DOCUMENTS.jsonl REPLAY.jsonl [REPLAY.jsonl ...]
       report.py proxy RESULTS

MODSEC_TIMES is what modsec_bench printed, a summary line a round. A REPLAY.json is what `rampart replay --json` printed
in one round, a REPLAY.jsonl what it wrote with `--out` (of its runs the fastest of each request).
RESULTS has a line a measurement: subject, load, CPU microseconds a request, p50, p99, requests. Standard library only.
"""
import collections
import json
import re
import statistics
import sys

SPEED_TARGET, GROWTH_TARGET, MEGABYTE_TARGET, PROXY_TARGET = 15, 1.5, 20, 20


def modsec_rounds(path):
    """Mean, p50, p90 and p99 in microseconds of each round."""
    with open(path) as f:
        found = re.findall(r'mean ([\d.]+)us p50 ([\d.]+) p90 ([\d.]+) p99 ([\d.]+)', f.read())
    return [tuple(map(float, line)) for line in found]


def micros(path):
    with open(path) as f:
        for line in f:
            answer = json.loads(line)
            yield answer['id'], float(answer['micros'])


def replay_round(path):
    with open(path) as f:
        latency = json.load(f)['latency']
    return tuple(latency[name] for name in ('mean', 'p50', 'p90', 'p99'))


def middle(rounds):
    return [statistics.median(column) for column in zip(*rounds)]


def verdict(met):
    return 'met' if met else 'MISSED'


def speed(times, replays):
    theirs, ours = middle(modsec_rounds(times)), middle([replay_round(path) for path in replays])
    ratios = [a / max(b, 1e-9) for a, b in zip(theirs, ours)]
    print(f'{"microseconds a request":<24}{"mean":>10}{"p50":>10}{"p90":>10}{"p99":>10}')
    for name, row in (('libmodsecurity', theirs), ('rampart', ours)):
        print(f'{name:<24}' + ''.join(f'{value:>10.1f}' for value in row))
    print(f'{"times faster":<24}' + ''.join(f'{ratio:>10.1f}' for ratio in ratios))
    met = ratios[0] >= SPEED_TARGET and ratios[3] >= SPEED_TARGET
    print(f'target: mean and p99 at least {SPEED_TARGET} times faster, aim for 30: {verdict(met)}')
    return met


def growth(times, documents, replays):
    with open(documents) as f:
        sizes = {d['id']: int(dict(d['headers'])['Content-Length']) for d in map(json.loads, f)}
    taken = collections.defaultdict(list)
    for path in replays:
        for id, time in micros(path):
            taken[id].append(time)
    print(f'{"document":<16}{"bytes":>12}{"us":>14}{"ns a byte":>12}')
    per_byte = {}
    for id, size in sizes.items():
        time = statistics.median(taken[id])
        per_byte[id] = 1000 * time / size
        print(f'{id:<16}{size:>12}{time:>14.1f}{per_byte[id]:>12.2f}')
    first, last = (per_byte[id] for id in (min(sizes, key=sizes.get), max(sizes, key=sizes.get)))
    theirs = middle(modsec_rounds(times))[0]
    ours = statistics.median(taken['json-1000000'])
    print(f'{"libmodsecurity":<16}{sizes["json-1000000"]:>12}{theirs:>14.1f}{1000 * theirs / sizes["json-1000000"]:>12.2f}')
    linear, cheaper = last / first <= GROWTH_TARGET, theirs / ours >= MEGABYTE_TARGET
    print(f'a byte of the largest costs {last / first:.2f} times one of the smallest; target: at most {GROWTH_TARGET}: {verdict(linear)}')
    print(f'1 MB costs {theirs / ours:.1f} times less than with libmodsecurity; target: at least {MEGABYTE_TARGET}: {verdict(cheaper)}')
    return linear and cheaper


LOADS = {'get': 'GET', 'post': 'POST 1.4 kB JSON', 'get-address': 'GET, address as Host'}


def proxy(results):
    cpu, p50, p99 = (collections.defaultdict(list) for _ in range(3))
    loads, subjects = [], []
    with open(results) as f:
        for line in f:
            subject, load, *figures = line.split()
            for table, figure in zip((cpu, p50, p99), figures):
                table[subject, load].append(float(figure))
            loads += [load] if load not in loads else []
            subjects += [subject] if subject not in subjects else []
    print(f'{"load":<22}{"":<14}{"CPU us/req":>12}{"p50 us":>10}{"p99 us":>10}   CPU of each round')
    for load in loads:
        for subject in subjects:
            key = subject, load
            print(f'{LOADS.get(load, load):<22}{subject:<14}' + ''.join(
                f'{statistics.median(table[key]):>{width}.{digits}f}' for table, width, digits in ((cpu, 12, 1), (p50, 10, 0), (p99, 10, 0))
            ) + '   ' + ' '.join(f'{value:.0f}' for value in cpu[key]))
    all_met = True
    for load in loads:
        ratio = statistics.median(cpu['nginx+modsec', load]) / statistics.median(cpu['rampart', load])
        met = ratio >= PROXY_TARGET
        all_met &= met
        more = ''
        if ('bare', load) in cpu and ('nginx', load) in cpu:
            theirs, ours = (statistics.median(cpu[a, load]) - statistics.median(cpu[b, load])
                            for a, b in (('nginx+modsec', 'nginx'), ('rampart', 'bare')))
            more = f' (over the plain proxy: {theirs:.0f} and {ours:.0f} us)'
        print(f'{LOADS.get(load, load):<22}{ratio:.1f} times less CPU than nginx with libmodsecurity{more}; '
              f'target: at least {PROXY_TARGET}, aim for 40: {verdict(met)}')
    return all_met


if __name__ == '__main__':
    parts = {'speed': lambda a: speed(a[0], a[1:]), 'growth': lambda a: growth(a[0], a[1], a[2:]), 'proxy': lambda a: proxy(a[0])}
    if len(sys.argv) < 3 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    sys.exit(0 if parts[sys.argv[1]](sys.argv[2:]) else 1)
