-- Which workflow is invoked depends on the data.
--
--   weir run process-document --dir workflows \
--     --data '{"document_type":"image","data":{"width":4,"height":3}}'
local weir = require "weir"

local process_pdf = weir.workflow {
  id = "process-pdf",
  run = function(_, document)
    return { kind = "pdf", pages = #document.pages }
  end,
}

local process_image = weir.workflow {
  id = "process-image",
  run = function(_, document)
    return { kind = "image", pixels = document.width * document.height }
  end,
}

local process_generic = weir.workflow {
  id = "process-generic",
  run = function(_, document)
    return { kind = "generic", bytes = #document.text }
  end,
}

local process_document = weir.workflow {
  id = "process-document",
  run = function(ctx, data)
    if data.document_type == "pdf" then
      return ctx:invoke { id = "process_pdf", workflow = "process-pdf", data = data.data }
    elseif data.document_type == "image" then
      return ctx:invoke { id = "process_image", workflow = "process-image", data = data.data }
    else
      return ctx:invoke { id = "process_generic", workflow = "process-generic", data = data.data }
    end
  end,
}

return { process_document, process_pdf, process_image, process_generic }
