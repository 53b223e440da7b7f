# /// script
# requires-python = ">=3.11"
# dependencies = ["langgraph-checkpoint-postgres>=3.2", "langchain-postgres>=0.0.19", "psycopg[binary]>=3.2", "numpy>=2"]
# ///
"""LangGraph's store and LangChain's vector store over a corpus, in a process and an environment of their own.

langchain-postgres takes pgvector below 0.4 only, focal-data 0.5 and later: one environment can't hold both. Called with a
database's URL and a folder with the corpus; loads it, says ``ready``, and answers lines on standard input such as
``langgraph 17`` with the ids found and the seconds it took, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex
from langgraph.store.base import PutOp
from langgraph.store.postgres import AsyncPostgresStore

BATCH = 500
Search = Callable[[int], Awaitable[list[str]]]


class Corpus:
    """What the other process has written: rows and queries, and whom they belong to."""

    def __init__(self, folder: Path) -> None:
        told = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        with np.load(folder / "corpus.npz") as arrays:
            self.vectors = arrays["vectors"].astype(np.float32)
            self.queries = arrays["queries"].astype(np.float32)
            self.owners, self.asked = arrays["owners"], arrays["asked"]
        self.ids: list[str] = told["ids"]
        self.texts: list[str] = told["texts"]
        self.scopes: list[list[str]] = told["scopes"]
        self._rows = {text: row for row, text in enumerate(self.texts)}

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text; ``query 17`` is a query's."""
        return [self._of(text).tolist() for text in texts]

    def _of(self, text: str) -> Any:
        row = self._rows.get(text)
        return self.vectors[row] if row is not None else self.queries[int(text.removeprefix("query "))]


class Known(Embeddings):  # type: ignore[misc]
    """The corpus's vectors, as LangChain asks for them."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._corpus.embed(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._corpus.embed([text])[0]


async def langgraph(store: AsyncPostgresStore, corpus: Corpus) -> Search:
    """Loaded by ``abatch``, a namespace for each agent; its own index is dropped meanwhile and built again afterwards."""
    await store.setup()
    async with store._cursor() as cursor:
        await cursor.execute("SELECT pg_get_indexdef('store_vectors_embedding_idx'::regclass) AS made")
        made = (await cursor.fetchone())["made"]
        await cursor.execute("DROP INDEX store_vectors_embedding_idx")
    for start in range(0, len(corpus.ids), BATCH):
        await store.abatch([_put(corpus, row) for row in range(start, min(start + BATCH, len(corpus.ids)))])
    async with store._cursor() as cursor:
        await cursor.execute("SET maintenance_work_mem = '2GB'")
        await cursor.execute(made)
        await cursor.execute("ANALYZE store")
        await cursor.execute("ANALYZE store_vectors")

    async def search(query: int) -> list[str]:
        namespace = tuple(corpus.scopes[corpus.asked[query]])
        items = await store.asearch(namespace, query=f"query {query}", limit=10)
        return [item.key for item in items]

    return search


def _put(corpus: Corpus, row: int) -> PutOp:
    namespace = tuple(corpus.scopes[corpus.owners[row]])
    return PutOp(namespace, corpus.ids[row], {"text": corpus.texts[row]}, index=["text"])


async def langchain(engine: PGEngine, corpus: Corpus) -> Search:
    """Tenant and agent are metadata columns, with an index over them; then its HNSW index."""
    columns = [Column("tenant", "UUID"), Column("agent", "UUID")]
    await engine.ainit_vectorstore_table("peer", corpus.vectors.shape[1], metadata_columns=columns)
    names = [column.name for column in columns]
    store = await PGVectorStore.create(engine, Known(corpus), "peer", metadata_columns=names)
    for start in range(0, len(corpus.ids), BATCH):
        rows = range(start, min(start + BATCH, len(corpus.ids)))
        await store.aadd_documents(
            [_document(corpus, row) for row in rows], ids=[corpus.ids[row] for row in rows]
        )
    await _execute(engine, "CREATE INDEX peer_scope ON peer (tenant, agent)")
    await store.aapply_vector_index(HNSWIndex())
    await _execute(engine, "ANALYZE peer")

    async def search(query: int) -> list[str]:
        tenant, agent = corpus.scopes[corpus.asked[query]]
        where = {"tenant": tenant, "agent": agent}
        return [
            str(found.id) for found in await store.asimilarity_search(f"query {query}", k=10, filter=where)
        ]

    return search


def _document(corpus: Corpus, row: int) -> Document:
    tenant, agent = corpus.scopes[corpus.owners[row]]
    return Document(corpus.texts[row], metadata={"tenant": tenant, "agent": agent})


async def _execute(engine: PGEngine, statement: str) -> None:
    from sqlalchemy import text

    async def run() -> None:
        async with engine._pool.begin() as connection:
            await connection.execute(text(statement))

    await engine._run_as_async(run())


async def main(url: str, folder: Path) -> None:
    """Load, then answer until the input ends."""
    corpus = Corpus(folder)
    index: Any = {"dims": corpus.vectors.shape[1], "embed": corpus.embed, "fields": ["text"]}
    async with AsyncPostgresStore.from_conn_string(url, index=index) as store:
        engine = PGEngine.from_connection_string(url.replace("postgresql://", "postgresql+asyncpg://"))
        searches = {"langgraph": await langgraph(store, corpus), "langchain": await langchain(engine, corpus)}
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            start = time.perf_counter()
            ids = await searches[line[0]](int(line[1]))
            print(json.dumps({"ids": ids, "seconds": time.perf_counter() - start}), flush=True)
        await engine.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
