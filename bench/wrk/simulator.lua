-- Posts messages that the simulator accepts, no two of them alike.
-- Arguments: the run id, the token, then the ids of the conversations, in turns.

local count, run_id, conversations = 0, "", {}

function init(arguments)
  run_id = arguments[1]
  wrk.method = "POST"
  wrk.headers["Authorization"] = "Bearer " .. arguments[2]
  wrk.headers["Content-Type"] = "application/json"
  for place = 3, #arguments do
    conversations[#conversations + 1] = arguments[place]
  end
end

function request()
  local conversation = conversations[count % #conversations + 1]
  local body = string.format(
    '{"to":{"id":"%s","type":"conversation"},"from":{"name":"Load Test Guest 1",' ..
    '"address":"guest-1@load-test.invalid","type":"user"},' ..
    '"text":"[convoy:%s:conversation_messages:%d] Where is my order now?","type":"text"}',
    conversation, run_id, count)
  count = count + 1
  return wrk.format(nil, nil, nil, body)
end
