"""``focal-data demo``: a transcript, carried message by message through every store.

``records`` reads JSON out of a file, ``messages`` knows a message, ``transcripts`` reads and checks a whole file; ``plans``
tells what to set up for it, ``setup`` does; ``turns`` finds the turns, ``pipeline`` brings windows of messages to
``conversation``, which carries one. ``questions`` and ``isolation`` ask what came of it, ``report`` shows it.
"""
