"""A campaign's graph: laid out on the server, at the level of groups or of accounts, with what is shown of how much."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal
from xml.sax.saxutils import quoteattr

import msgspec
import pyarrow as pa
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import ERRORS, arrow_and_json, row_schema
from stillwatch.api.exporting import MEDIA_TYPES, ROWS_HEADER, audit_export, exported
from stillwatch.api.kept import Kept
from stillwatch.api.paging import ARROW, JSON, Listing
from stillwatch.api.reading import Page, Text, paged
from stillwatch.model.tables.views import GRAPH_EDGES, GRAPH_NODES, SHARED_TOKENS
from stillwatch.pipeline.views.graph import Graph, Laid, Level
from stillwatch.python_api import Stillwatch

GEXF: Final = "application/gexf+xml"
LINKS: Final = Listing("links", ("token_kind", "token"), ("token_kind",))

Part = Literal["nodes", "edges"]
GraphForm = Literal["gexf", "csv", "json", "jsonl", "parquet", "arrow"]


class Drawer:
    """The routes of graphs. A campaign of a run is laid out once and kept."""

    def __init__(self, watch: Stillwatch, kept: Kept) -> None:
        self._watch = watch
        self._kept = kept

    def add_to(self, router: APIRouter) -> None:
        """Add every route of graphs."""
        path = "/v1/campaigns/{campaign_id}/graph"
        router.add_api_route(path, self.graph, methods=["GET"], responses=_answers(), response_model=None)
        links = arrow_and_json(SHARED_TOKENS)
        router.add_api_route(f"{path}/links", self.links, methods=["GET"], responses=links, response_model=None)

    def graph(
        self,
        request: Request,
        campaign_id: str,
        run: Text = None,
        level: Level = "groups",
        group: Annotated[int | None, Query(ge=0, le=2**31, description="this group alone; null: all")] = None,
        token_kind: Annotated[list[str] | None, Query(description="edges of these kinds; null: of all")] = None,
        part: Annotated[Part, Query(description="of the graph, in Arrow and in files of rows")] = "nodes",
        format: GraphForm | None = None,
    ) -> Response:
        """Groups of a campaign, or its accounts and tokens, with places on a plane. No account is ever left out.

        JSON holds nodes and edges by column. Arrow holds one `part`; its schema's metadata holds the counts.
        """
        run_id = run or self._kept.latest()
        found = self._laid(campaign_id, run_id).cut(level, group=group, kinds=token_kind)
        said = {"campaign_id": campaign_id, "run_id": run_id, **found.counts()}
        rows = found.nodes if part == "nodes" else found.edges
        name = f"graph-{campaign_id}-{run_id}-{level}"
        if format == "gexf":
            n = found.nodes.num_rows + found.edges.num_rows
            audit_export(request, name, "gexf", n)
            headers = {"content-disposition": f'attachment; filename="{name}.gexf"', ROWS_HEADER: str(n)}
            return StreamingResponse(gexf_parts(found), headers=headers, media_type=GEXF)
        if format is not None:
            return exported(request, rows, f"{name}-{part}", format)
        headers = {"vary": "accept"}
        if ARROW in request.headers.get("accept", ""):
            told = rows.replace_schema_metadata({"stillwatch": msgspec.json.encode(said)})
            return Response(paging.arrow_bytes(told), headers=headers, media_type=ARROW)
        body = said | {"nodes": found.nodes.to_pydict(), "edges": found.edges.to_pydict()}
        return Response(paging.encode(body), headers=headers, media_type=JSON)

    def links(
        self,
        request: Request,
        campaign_id: str,
        first: Annotated[str, Query(max_length=512)],
        second: Annotated[str, Query(max_length=512)],
        wanted: Page,
        run: Text = None,
        token_kind: Text = None,
    ) -> Response:
        """Why two accounts of a campaign are linked: the tokens that both carry, the most exclusive first."""
        run_id = self._kept.run(LINKS, wanted, run)
        rows = self._watch.views.links(campaign_id, first, second, run_id)
        return paged(request, rows, LINKS, wanted, {"token_kind": token_kind}, run_id)

    def _laid(self, campaign_id: str, run_id: str) -> Laid:
        campaigns = self._kept.campaigns(run_id)
        if campaign_id not in campaigns["campaign_id"].to_pylist():
            raise Refused(404, "there is no such campaign in this run; /v1/campaigns lists them")
        return self._kept.of_run(
            f"graph of {campaign_id}", run_id, lambda: self._watch.views.graph(campaign_id, run_id)
        )


def gexf_parts(graph: Graph) -> Iterator[bytes]:
    """The graph as GEXF 1.3 with its places; control characters, which XML cannot hold, are spelled out."""
    yield (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<gexf xmlns="http://gexf.net/1.3" xmlns:viz="http://gexf.net/1.3/viz" version="1.3">\n'
        b'<graph defaultedgetype="undirected" mode="static">\n<attributes class="node">\n'
        + b"".join(b'<attribute id="%s" title="%s" type="string"/>\n' % (n, n) for n in (b"kind", b"tier", b"group"))
        + b'<attribute id="n_exchanges" title="n_exchanges" type="long"/>\n</attributes>\n<nodes>\n'
    )
    yield from _batched(_node_lines(graph.nodes))
    yield b"</nodes>\n<edges>\n"
    yield from _batched(_edge_lines(graph.edges))
    yield b"</edges>\n</graph>\n</gexf>\n"


def _node_lines(nodes: pa.Table) -> Iterator[str]:
    for row in nodes.to_pylist():
        kind = row["token_kind"] or row["kind"]
        values = {
            "kind": kind,
            "tier": row["tier"] or "",
            "group": row["group"],
            "n_exchanges": row["n_exchanges"],
        }
        said = "".join(f'<attvalue for="{name}" value={_quoted(value)}/>' for name, value in values.items())
        yield (
            f'<node id="{row["node"]}" label={_quoted(row["label"])}><attvalues>{said}</attvalues>'
            f'<viz:position x="{row["x"]:.3f}" y="{row["y"]:.3f}" z="0"/><viz:size value="{row["size"]:.3f}"/></node>\n'
        )


def _edge_lines(edges: pa.Table) -> Iterator[str]:
    for number, row in enumerate(edges.to_pylist()):
        yield (
            f'<edge id="{number}" source="{row["source"]}" target="{row["target"]}" label={_quoted(row["token_kind"])} '
            f'weight="{row["weight"]}"/>\n'
        )


def _quoted(value: object) -> str:
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(value))
    return quoteattr(text)


def _batched(lines: Iterable[str], size: int = 2000) -> Iterator[bytes]:
    held: list[str] = []
    for line in lines:
        held.append(line)
        if len(held) >= size:
            yield "".join(held).encode()
            held.clear()
    yield "".join(held).encode()


def _answers() -> dict[int | str, dict[str, Any]]:
    counts = ("accounts", "tokens", "groups", "nodes", "edges")
    whole = {f"{name}_{what}": {"type": "integer"} for name in counts for what in ("total", "shown")}
    columns = {
        name: {"type": "object", "properties": {c: {"type": "array"} for c in row_schema(schema)["properties"]}}
        for name, schema in (("nodes", GRAPH_NODES), ("edges", GRAPH_EDGES))
    }
    body = {"type": "object", "properties": whole | columns}
    file = {"schema": {"type": "string", "format": "binary"}}
    files: dict[str, Any] = {kind.partition(";")[0]: file for kind in (*MEDIA_TYPES.values(), GEXF)}
    said = "Nodes and edges by column, with what is shown of how much"
    # NOTE: nothing is required in JSON, because rows as a file have another form.
    return {200: {"description": said, "content": files | {JSON: {"schema": body}}}, **ERRORS}
