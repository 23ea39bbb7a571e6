---@meta weir.workflow_ids
-- The workflows that `workflow =` may name. In the folder .luals of a workflow folder `weir init` and `weir dev` list
-- them, so that editors complete them. Never loaded.

---@alias weir.WorkflowId string
