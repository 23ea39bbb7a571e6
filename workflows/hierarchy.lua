-- A hierarchy: a workflow coordinates workflows that coordinate workflows of their own.
--
--   weir run project --dir workflows --data '{"project_id":"apollo"}'
local weir = require "weir"

local samples = { issues = { 3, 4, 5 }, reviews = { 10, 12 } }

local collect_source = weir.workflow {
  id = "collect-source",
  run = function(_, data)
    return samples[data.source]
  end,
}

-- The middle of the tree: a child of `project` and the parent of two, which run side by side.
local collect_data = weir.workflow {
  id = "collect-data-workflow",
  run = function(ctx, data)
    local sources = {}
    for source in pairs(samples) do
      sources[source] = ctx:spawn {
        id = source,
        workflow = "collect-source",
        data = { source = source },
      }
    end
    return { project_id = data.project_id, sources = ctx:all(sources) }
  end,
}

local process_data = weir.workflow {
  id = "process-data-workflow",
  run = function(_, collected)
    local total = 0
    for _, numbers in pairs(collected.sources) do
      for _, number in ipairs(numbers) do
        total = total + number
      end
    end
    return { project_id = collected.project_id, total = total }
  end,
}

local generate_report = weir.workflow {
  id = "generate-report-workflow",
  run = function(_, processed)
    return { report = ("%s: %d in all"):format(processed.project_id, processed.total) }
  end,
}

local project = weir.workflow {
  id = "project",
  run = function(ctx, data)
    local collected = ctx:invoke {
      id = "collect_data",
      workflow = "collect-data-workflow",
      data = { project_id = data.project_id },
    }
    local processed = ctx:invoke {
      id = "process_data",
      workflow = "process-data-workflow",
      data = collected,
    }
    return ctx:invoke {
      id = "generate_report",
      workflow = "generate-report-workflow",
      data = processed,
    }
  end,
}

return { project, collect_data, collect_source, process_data, generate_report }
