"""Other people's models. A vendor is one file behind a small base; its types never escape it."""
