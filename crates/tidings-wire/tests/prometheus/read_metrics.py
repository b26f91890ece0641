"""Reads metrics by the client library of Prometheus and compares them with what is expected.

Usage: read_metrics.py text|openmetrics FILE EXPECTED

A line of EXPECTED is a sample: name, labels, value, span and value of the exemplar; tabs between them, labels as in the query of
a URL. The types of the families follow from the names of their samples.
"""
import sys
from urllib.parse import parse_qsl

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text


def expected(path):
    samples = {}
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            name, labels, value, span = line.rstrip("\n").split("\t")
            key = name, tuple(sorted(parse_qsl(labels, keep_blank_values=True, strict_parsing=bool(labels))))
            assert key not in samples, f"expected twice: {key}"
            samples[key] = float(value), span
    return samples


def found(form, path):
    parse = {"text": text, "openmetrics": openmetrics}[form].text_string_to_metric_families
    with open(path, encoding="utf-8", newline="") as file:
        families = list(parse(file.read()))
    samples = {}
    for family in families:
        assert family.documentation, f"{family.name} has no description"
        assert family.type in ("counter", "gauge", "histogram"), f"{family.name} is {family.type}"
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in samples, f"twice: {key}"
            exemplar = sample.exemplar
            span = f"{exemplar.labels['span_id']} {float(exemplar.value)}" if exemplar else ""
            samples[key] = float(sample.value), span
    return samples


def main():
    form, path, expected_path = sys.argv[1:]
    want, have = expected(expected_path), found(form, path)
    wrong = [f"missing: {key}" for key in want if key not in have]
    wrong += [f"not expected: {key}" for key in have if key not in want]
    wrong += [f"{key}: {have[key]}, not {want[key]}" for key in want if key in have and have[key] != want[key]]
    print(f"{len(have)} samples read")
    for line in wrong[:20]:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
