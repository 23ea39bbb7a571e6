-- assets: writes the C table of everything that travels in the binary.
--
-- lua5.4 host/assets/assets.lua FILE... > assets_table.c, from the top of the source tree. The names
-- go in as they are given, sorted by bytes: assets.c searches them so.

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n", ["\t"] = "\\t", ["?"] = "\\?" }

-- Octal escapes have three digits, so that a digit behind one is not taken for a part of it.
local function literal(line)
  return '"' .. line:gsub('[\\"\n\t?]', escapes):gsub("[^\32-\126]", function(byte)
    return ("\\%03o"):format(byte:byte())
  end) .. '"'
end

local paths = table.move(arg, 1, #arg, 1, {})
table.sort(paths)

print('#include "assets/assets_table.h"\n')
print("const Asset asset_table[] = {")
for _, path in ipairs(paths) do
  local file <close> = assert(io.open(path, "rb"))
  local text = file:read("a")
  print(("    {%s, %d,"):format(literal(path), #text))
  for line in text:gmatch("[^\n]*\n?") do
    if line ~= "" then print("     " .. literal(line)) end
  end
  print(text == "" and '     ""},' or "    },")
end
print("};\n")
print(("const size_t asset_count = %d;"):format(#paths))
