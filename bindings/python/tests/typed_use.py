"""Not run: mypy --strict reads it. What a typed program writes is accepted; what it must not write is an error, or the `ignore` would be too much."""
import datetime
import logging
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

import qloader


class Notes:
    def items(self) -> Iterator[qloader.Item]:
        yield qloader.Item("a", version="1")

    def fetch(self, item: qloader.Item) -> qloader.Document:
        return qloader.Document(b"Tea", title=item.url, metadata={"n": 1}, updated_at=datetime.datetime.now())


def progress(progress: qloader.IngestProgress) -> bool:
    return progress.documents_done > 10


def right(folder: Path) -> List[str]:
    with qloader.Runtime(threads=1, log=logging.getLogger("q")) as runtime, qloader.Workspace(folder, runtime=runtime) as workspace:
        report: qloader.IngestReport = workspace.ingest(progress=progress, event=lambda event: print(event.action.name))
        workspace.ingest_source(Notes(), project="p", name="n")
        try:
            results = workspace.search("tea", mode="dense", limit=report.added, since=0)
        except qloader.NotFoundError as error:
            return [error.message]
        first: qloader.Hit = results[0]
        moment: Optional[datetime.datetime] = first.updated_at
        some: List[qloader.Hit] = results[1:3]
        return [first.url, str(moment)] + [hit.text for hit in some] + [hit.title for hit in results]


@qloader.prof.span("measure")
def measured(text: str) -> int:
    return len(text)


def profiled(folder: Path) -> int:
    with qloader.prof.profile(folder, rate_hz=250, engine="ctimer") as capture, qloader.prof.label("part", "one"):
        with qloader.prof.span("all", category="mine") as span:
            span.set("length", measured("tea"))
    content: bytes = capture.snapshot()
    info: qloader.prof.ProfileInfo = capture.info()
    return info.samples + len(content) + measured("more")


class Letters:
    model = "letters"
    dims = 26

    def embed(self, texts: Sequence[str], role: qloader.EmbedRole) -> List[List[float]]:
        return [[1.0] + [0.0] * 25 for _ in texts]


def convert(original: qloader.Original) -> qloader.Converted:
    block = qloader.Block(qloader.BlockKind.PARAGRAPH, 0, 1)
    return qloader.Converted(original.content.decode(), blocks=[block], ranges=[(0, 1, 0, 1)])


def chunk(canonical: qloader.Canonical, options: qloader.ChunkOptions) -> Iterator[qloader.Chunk]:
    yield qloader.Chunk(0, min(len(canonical.text), options.size_max))


def rerank(question: str, hits: Sequence[qloader.Hit]) -> List[float]:
    return [hit.score for hit in hits]


def open_notes(settings: qloader.SourceSettings) -> Notes:
    return Notes()


def register(runtime: qloader.Runtime) -> None:
    runtime.register_source("notes", open_notes)
    runtime.register_converter("plain", convert, content_types=["log"], version=2)
    runtime.register_chunker("one", chunk)
    runtime.register_embedder("letters", Letters())
    runtime.register_reranker("score", rerank)


class NoSource:
    def items(self) -> Iterator[str]:
        yield "a"


def wrong(workspace: qloader.Workspace, runtime: qloader.Runtime) -> None:
    runtime.register_embedder("none", NoSource())  # type: ignore[arg-type]
    runtime.register_converter("none", chunk)  # type: ignore[arg-type]
    runtime.register_reranker("none", lambda question: [1.0])  # type: ignore[arg-type, misc]
    workspace.ingest_source(NoSource(), project="p", name="n")  # type: ignore[arg-type]
    workspace.search(b"tea")  # type: ignore[arg-type]
    workspace.search("tea", top=3)  # type: ignore[call-arg]
    workspace.search("tea")[0].rank = 2  # type: ignore[misc]
    workspace.ingest(progress=lambda: None)  # type: ignore[arg-type, misc]
    qloader.Workspace(dir=7)  # type: ignore[arg-type]
    number: int = workspace.search("tea")[0].url  # type: ignore[assignment]
    print(number)
