"""The tables beside those of the jobs, in one place for every store: one attribute for each kind of thing."""

from typing import Protocol

from actors.journal.batch_table import BatchReader, BatchTable, MemoryBatches, SqlBatches, SqlBatchReader
from actors.journal.conversation_table import (
    ConversationReader,
    ConversationTable,
    MemoryConversations,
    SqlConversationReader,
    SqlConversations,
)
from actors.journal.disk import Disk
from actors.journal.file_table import FileReader, FileTable, MemoryFiles, SqlFileReader, SqlFiles
from actors.journal.memory_vectors import MemoryVectors
from actors.journal.template_table import (
    MemoryTemplates,
    SqlTemplateReader,
    SqlTemplates,
    TemplateReader,
    TemplateTable,
)
from actors.journal.vector_table import SqlVectorReader, SqlVectors, VectorReader, VectorTable
from actors.stores import Reader, Statements

SQL_FILES = ("conversations", "templates", "files", "vectors", "batches")  # in `sql/`


class SideReaders(Protocol):
    """What has been committed."""

    conversations: ConversationReader
    templates: TemplateReader
    files: FileReader
    vectors: VectorReader
    batches: BatchReader


class SideTables(Protocol):
    """The same in a write transaction."""

    conversations: ConversationTable
    templates: TemplateTable
    files: FileTable
    vectors: VectorTable
    batches: BatchTable


class SqlSideReaders:
    """Of a SQL store."""

    def __init__(self, reader: Reader) -> None:
        self.conversations: ConversationReader = SqlConversationReader(reader)
        self.templates: TemplateReader = SqlTemplateReader(reader)
        self.files: FileReader = SqlFileReader(reader)
        self.vectors: VectorReader = SqlVectorReader(reader)
        self.batches: BatchReader = SqlBatchReader(reader)


class SqlSideTables:
    """Of a transaction of a SQL store."""

    def __init__(self, statements: Statements) -> None:
        self.conversations: ConversationTable = SqlConversations(statements)
        self.templates: TemplateTable = SqlTemplates(statements)
        self.files: FileTable = SqlFiles(statements)
        self.vectors: VectorTable = SqlVectors(statements)
        self.batches: BatchTable = SqlBatches(statements)


class MemorySideReaders:
    """Of the memory store."""

    def __init__(self, disk: Disk) -> None:
        self.conversations: ConversationReader = MemoryConversations(disk)
        self.templates: TemplateReader = MemoryTemplates(disk)
        self.files: FileReader = MemoryFiles(disk)
        self.vectors: VectorReader = MemoryVectors(disk)
        self.batches: BatchReader = MemoryBatches(disk)


class MemorySideTables:
    """Of a transaction of the memory store."""

    def __init__(self, disk: Disk) -> None:
        self.conversations: ConversationTable = MemoryConversations(disk)
        self.templates: TemplateTable = MemoryTemplates(disk)
        self.files: FileTable = MemoryFiles(disk)
        self.vectors: VectorTable = MemoryVectors(disk)
        self.batches: BatchTable = MemoryBatches(disk)
