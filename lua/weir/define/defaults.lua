-- Values that hold unless an author, a flag or a host says otherwise, and that more than one module needs.

return {
  queue = "default",
  payload_bytes = 16 * 1024 * 1024, -- as JSON; --max-payload
  depth = 64, -- runs below each other; --max-depth
  max_crashes = 5, -- of workers that one run may cause; --max-crashes
  retain = "7d", -- how long ended runs are kept
  cancel_grace = "1m", -- for clean-up after a cancel
  cancel_grace_ms = 60 * 1000,
  dedupe_within_ms = 60 * 60 * 1000, -- how long a run stands for others with its dedupe key
  cancel_message = "cancelled by weir cancel",
  graph_workflow = "weir.graph", -- runs graphs given as data; every bundle has it
}
