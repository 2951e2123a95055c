"""The local engine: loader, scheduler, key-value cache, step runner, worker thread, and models in store."""
