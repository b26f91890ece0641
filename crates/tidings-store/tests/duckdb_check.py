"""Opens parts with DuckDB and pyarrow and compares what they see with what the Rust test wrote.

Usage: duckdb_check.py EXPECTED.json
EXPECTED.json: {"files": [paths], "rows": n, "columns": {name: {"type", "count", "sum" or "distinct"
or "bytes"}}, "min_time_ns": n, "max_time_ns": n}
"""

import json
import sys

import duckdb
import pyarrow.parquet as parquet


def check(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what}: {seen!r}, expected {expected!r}")


def main():
    with open(sys.argv[1]) as file:
        expected = json.load(file)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    files = expected["files"]
    table = connection.read_parquet(files, union_by_name=True)
    table.create_view("parts")
    types = dict(zip(table.columns, map(str, table.types)))
    check("columns", sorted(types), sorted(expected["columns"]))

    def one(sql):
        return connection.execute(f"select {sql} from parts").fetchone()[0]

    check("rows", one("count(*)"), expected["rows"])
    for name, column in expected["columns"].items():
        check(f"type of {name}", types[name], column["type"])
        check(f"count of {name}", one(f"count({name})"), column["count"])
        if "sum" in column:
            check(f"sum of {name}", str(one(f"sum({name})")), column["sum"])
        if "distinct" in column:
            check(f"distinct {name}", one(f"count(distinct {name})"), column["distinct"])
        if "bytes" in column:
            check(f"bytes of {name}", int(one(f"sum(strlen({name}))")), column["bytes"])
    check("least time", one("epoch_ns(min(time))"), expected["min_time_ns"])
    check("greatest time", one("epoch_ns(max(time))"), expected["max_time_ns"])
    pruned = one(f"count(*) filter (where epoch_ns(time) <= {expected['min_time_ns']})")
    seen = connection.execute(
        f"select count(*) from parts where time <= make_timestamp_ns({expected['min_time_ns']})"
    ).fetchone()[0]
    check("rows by pruned time", seen, pruned)
    connection.execute("select date_trunc('hour', time), count(*) from parts group by all")

    rows = sum(parquet.read_table(path, page_checksum_verification=True).num_rows for path in files)
    check("rows by pyarrow", rows, expected["rows"])
    for path in files:
        metadata = parquet.ParquetFile(path).metadata
        group = metadata.row_group(0)
        times = [group.column(i) for i in range(group.num_columns)]
        time = next(column for column in times if column.path_in_schema == "time")
        check("statistics of time", time.statistics.has_min_max, True)
        check("offset index", all(column.has_offset_index for column in times), True)
        check("column index of time", time.has_column_index, True)
    print(f"{expected['rows']} rows in {len(files)} files: DuckDB and pyarrow agree")


main()
