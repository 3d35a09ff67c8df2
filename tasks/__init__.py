"""Where it happens: storage, slots, records, the page; everything but when and what."""
