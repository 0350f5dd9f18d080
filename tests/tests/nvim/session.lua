-- A user of the plugin, without a screen: what is seen in the buffers is printed as JSON at the end.
-- GREENROOM_START is how the server is started, as JSON.

local greenroom = require('greenroom')
local seen = {}

local function text_of(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

-- The buffer that the newest answer is written into.
local function answer_buffer()
  local buffers = vim.api.nvim_list_bufs()
  return buffers[#buffers]
end

local function wait_for(what, holds)
  if not vim.wait(60000, holds, 10) then
    io.stderr:write('this did not come: ' .. what .. '\n' .. text_of(answer_buffer()) .. '\n')
    vim.cmd('cquit')
  end
end

local function wait_for_answers()
  wait_for('the end of an answer', function()
    return greenroom.answering() == 0
  end)
end

local function answer_to(command)
  vim.cmd(command)
  wait_for_answers()
  return text_of(answer_buffer())
end

-- What was said to the server last. Once that is killed, every call of it is let go of, told or not.
local last_sent = {}
local chansend = vim.fn.chansend
vim.fn.chansend = function(channel, line)
  local before = last_sent
  last_sent = vim.json.decode(line)
  last_sent.before = before.id
  return chansend(channel, line)
end

local function wait_until_given_up()
  wait_for('word to the server that a call is given up', function()
    return last_sent.method == 'notifications/cancelled' and last_sent.params.requestId == last_sent.before
  end)
end

vim.notify = function(message)
  table.insert(seen.notices, message)
end
seen.notices = {}

greenroom.setup({ command = { 'no-such-greenroom' } })
seen.not_there = answer_to('Greenroom hello')

greenroom.setup({ command = vim.json.decode(vim.env.GREENROOM_START), model = 'lab/m1' })
vim.cmd('Greenroom')
vim.cmd('GreenroomStop')

-- From the third character of the first line to the `é` of the second.
vim.bo.filetype = 'rust'
vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'a ``` b', 'let é = 1;', 'end' })
vim.api.nvim_win_set_cursor(0, { 1, 2 })
vim.cmd('normal! vj0f' .. 'é' .. vim.api.nvim_replace_termcodes('<Esc>', true, false, true))
local asked_in = vim.api.nvim_get_current_win()
seen.of_selection = answer_to("'<,'>Greenroom explain")
seen.stays_where_it_was = vim.api.nvim_get_current_win() == asked_in
seen.of_lines = answer_to('2,3Greenroom lines')

vim.cmd('Greenroom pause')
local paused = answer_buffer()
wait_for('the first words', function()
  return text_of(paused) == 'one\ntwo'
end)
seen.answering = greenroom.answering()
vim.cmd('GreenroomStop')
wait_until_given_up()
wait_for_answers()
seen.stopped = text_of(paused)

-- An answer goes on in a buffer that is hidden, and is given up with one that is wiped out.
vim.cmd('Greenroom pause')
local wiped = answer_buffer()
wait_for('the first words again', function()
  return text_of(wiped) == 'one\ntwo'
end)
vim.api.nvim_buf_delete(wiped, { force = true })
wait_until_given_up()
wait_for_answers()

-- The server dies midway; the next question starts another.
vim.cmd('Greenroom pause')
local died = answer_buffer()
wait_for('the first words once more', function()
  return text_of(died) == 'one\ntwo'
end)
for _, channel in ipairs(vim.api.nvim_list_chans()) do
  if channel.stream == 'job' then
    vim.loop.kill(vim.fn.jobpid(channel.id), 'sigkill')
  end
end
wait_for_answers()
seen.died = text_of(died)
seen.after = answer_to('Greenroom again')

seen.models = greenroom.models('lab/')
vim.cmd('GreenroomModel lab/unknown-1')
seen.unknown = answer_to('Greenroom hello')

io.stdout:write(vim.json.encode(seen) .. '\n')
vim.cmd('qall!')
