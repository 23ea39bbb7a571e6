---@meta weir.native.client
-- What the command line tool gets from C (host/cli/client.c). What fails raises a weir.Fault.

---@class weir.Fault what ends a command: one line for people, and the exit status
---@field status integer
---@field message string

local client = {}

---Sends groups to Redis as one batch; sends them again when the connection died.
---@param ... (string|integer)[] a verb and its arguments
---@return table reply {"ok", now_ms, commit, {reply of each group}, claims, next_due}
function client.call(...) end

---Sends groups as one batch and goes on: its reply is for `receive`. At most four calls may be under
---way. Sent again, with all behind it, when the connection died.
---@param ... (string|integer)[] a verb and its arguments
function client.send(...) end

---The reply of the oldest call under way, as `call` gives it.
---@return table reply
function client.receive() end

---Sends a command of Redis itself.
---@param ... string|integer
---@return any reply nil when Redis refuses it
function client.ask(...) end

---Listens to channels, named without the prefix. Once it has returned, no message is missed.
---@param ... string
function client.listen(...) end

---The next message of the channels listened to. Nil when the time is over, and when the connection
---had to be made anew: what was said meanwhile is lost, so look at the facts again.
---@param timeout_ms integer? nil: wait for ever
---@return string? channel
---@return string? text
function client.message(timeout_ms) end

---The sources of a workflow folder.
---@param folder string
---@return table<string, string> texts by path
function client.bundle(folder) end

---The text of a file, or of stdin for "-".
---@param path string
---@return string
function client.read(path) end

---Opens a file, or stdin for "-", to be read piece by piece with `more`. One is open at a time.
---@param path string
---@return integer? size in bytes, of a file that can be opened and read once more
function client.open(path) end

---Some of what is left to read; waits for it.
---@return string? bytes nil at its end
function client.more() end

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

---Keeps lines at the foot of the terminal (stderr), in place of those before; what is logged goes
---above them. No line may be wider than the terminal. Nil: they stay, and are let go.
---@param text string? ends with a line break
function client.show(text) end

---Milliseconds on a clock that never goes back.
---@return integer
function client.now_ms() end

---Waits. True as soon as the process is interrupted, or when it was before.
---@param ms integer
---@return boolean interrupted
function client.pause(ms) end

---From now on Ctrl-C and SIGTERM do not end the process: `pause` tells of them, and where `receive`, `message`
---and `more` wait they raise a fault of status 130. A second one ends it.
function client.heed_interrupts() end

return client
