---@meta weir.native.client
-- The functions that C gives the command line (host/cli/client.c). They block the process, and raise a
-- weir.NativeFault.

---@class weir.NativeFault one line for people, and the exit status
---@field status integer
---@field message string

---@class weir.native.client
---@field version string of weir
local client = {}

---Sends groups to Redis as one batch, and again if the connection died.
---@param ... (string|integer)[] a verb and its arguments
---@return table reply {"ok", now_ms, commit, {reply of each group}, claims, next_due}
function client.call(...) end

---Sends groups as one batch and does not wait for the reply, which `receive` returns. At most four calls may be under
---way. If the connection dies, all calls under way are sent again, in their order.
---@param ... (string|integer)[] a verb and its arguments
function client.send(...) end

---Waits for the reply of the oldest call under way, as `call` returns it.
---@return table reply
function client.receive() end

---Sends a command of Redis itself.
---@param ... string|integer
---@return any reply nil: Redis refuses the command
function client.ask(...) end

---Subscribes to channels, named without the prefix, instead of those before. Once it has returned, no message is
---missed.
---@param ... string
function client.listen(...) end

---Waits for the next message. Nil after the timeout, and after the connection had to be made anew: messages may be
---lost, so the caller must look at the facts again.
---@param timeout_ms integer? nil: no limit
---@return string? channel
---@return string? text
function client.message(timeout_ms) end

---The sources of a workflow folder.
---@param folder string
---@return table<string, string> texts by path
---@return string name of the bundle that they are
---@return string? notes a line for each file that was left out
function client.bundle(folder) end

---@param path string
---@return boolean
function client.exists(path) end

---Writes a file that is not there yet, and the folders above it.
---@param path string
---@param text string
---@return boolean created false: it is there
function client.create(path, text) end

---Writes a file in place of the one that is there, if any.
---@param path string
---@param text string
function client.replace(path, text) end

---A module of weir itself.
---@param name string "weir.json"
---@return string path "weir/json.lua"
---@return string text
function client.module(name) end

---Writes the ids of the workflows of a folder for LuaLS.
---@param place string the folder .luals of the folder
---@param ids string[]
function client.write_ids(place, ids) end

---The text of a file, or of stdin for "-".
---@param path string
---@return string
function client.read(path) end

---Opens a file, or stdin for "-", to be read in pieces with `more`. One file is open at a time.
---@param path string
---@return integer? size in bytes, if the file can be opened and read again
function client.open(path) end

---Waits for the next piece.
---@return string? bytes nil: the end
function client.more() end

---The folders whose workflow files have changed since the `weir dev` of this Redis has read them.
---@return string[] paths
function client.changed_folders() end

---Writes to stdout (1) or stderr (2) at once.
---@param descriptor 1|2
---@param text string
function client.write(descriptor, text) end

---Whether stdin (0), stdout (1) or stderr (2) is a terminal.
---@param descriptor 0|1|2
---@return boolean
function client.is_terminal(descriptor) end

---Columns of the terminal, 80 where there is none.
---@return integer
function client.width() end

---Rows of the terminal, 24 where there is none.
---@return integer
function client.height() end

---Keeps lines at the foot of the terminal (stderr), in place of those before; log lines go above them. No line may be
---wider than the terminal. Nil: they stay where they are, and later lines go below them.
---@param text string? ends with a line break
function client.show(text) end

---Takes the whole terminal: its other screen, without cursor and echo; keys come as they are typed. However the process
---ends, the terminal is restored.
function client.open_screen() end

---Restores the terminal.
function client.close_screen() end

---Stops the process as Ctrl-Z does, with the terminal restored. Returns when it goes on, with an empty screen.
function client.suspend() end

---Waits for keys.
---@param timeout_ms integer
---@return string|false|nil bytes as typed; nil: the time is over, or the terminal has another size; false: it is gone
function client.keys(timeout_ms) end

---Milliseconds on a clock that never goes back.
---@return integer
function client.now_ms() end

---Waits; returns true as soon as the process is interrupted, or if it was interrupted before.
---@param ms integer
---@return boolean interrupted
function client.pause(ms) end

---From now on Ctrl-C and SIGTERM do not end the process: `pause` returns true, and `call`, `receive`, `message` and
---`more` raise a fault of status 130. A second signal ends the process.
function client.heed_interrupts() end

return client
