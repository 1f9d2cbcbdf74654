//! What happens inside Redis. Each script is carried out as one step, and publishes what it did to
//! every process with a member in the room: so all of them agree on who is where, and hear of it in
//! the same order.
//!
//! The keys, all under one prefix:
//!
//! * `room:<room>`, a hash: agent id → `<secret's hash or -> <node> <connection> <member as JSON>`;
//! * `rooms`, the set of rooms with members;
//! * `makers`, a hash: room → the address of the client that made it, and `made:<address>`, the set of the
//!   rooms that clients of an address made;
//! * `of:<node>`, the set of a node's members, as `<length of room>:<room><agent>`;
//! * `kept:<length of room>:<room><agent>`, the hash of the secret of a client whose socket was lost; it
//!   expires;
//! * `nodes`, the set of nodes, and `node:<node>`, which expires unless the node renews it.

/// Functions that the scripts share.
const PRELUDE: &str = r#"
local P = 'signaling:'
local function parse(value)
  return string.match(value, '^(%S+) (%S+) (%S+) (.*)$')
end
local function tell(node, event)
  redis.call('PUBLISH', P .. 'to:' .. node, event)
end
local function index(room, agent)
  return #room .. ':' .. room .. agent
end
local function remove(room, agent, keep_name_ms)
  local key = P .. 'room:' .. room
  local secret, node, connection, member = parse(redis.call('HGET', key, agent))
  if secret ~= '-' and tonumber(keep_name_ms) > 0 then
    redis.call('SET', P .. 'kept:' .. index(room, agent), secret, 'PX', keep_name_ms)
  end
  redis.call('HDEL', key, agent)
  redis.call('SREM', P .. 'of:' .. node, index(room, agent))
  local event = '{"event":"left","room":' .. cjson.encode(room) .. ',"agent":' .. cjson.encode(agent)
    .. ',"connection":' .. connection .. ',"node":"' .. node .. '"}'
  local told = { [node] = true }
  tell(node, event)
  for _, value in ipairs(redis.call('HVALS', key)) do
    local _, other = parse(value)
    if not told[other] then
      told[other] = true
      tell(other, event)
    end
  end
  if redis.call('HLEN', key) == 0 then
    redis.call('SREM', P .. 'rooms', room)
    local maker = redis.call('HGET', P .. 'makers', room)
    if maker then
      redis.call('HDEL', P .. 'makers', room)
      redis.call('SREM', P .. 'made:' .. maker, room)
    end
  end
end
"#;

/// Lets a client in, or refuses it.
const JOIN: &str = r#"
local room, agent, session, node, connection, member, max_clients, max_rooms, maker, max_made = unpack(ARGV)
local key = P .. 'room:' .. room
local function refuse(why)
  tell(node, '{"event":"refused","connection":' .. connection .. ',"why":"' .. why .. '"}')
end
local held = redis.call('HGET', key, agent)
local kept_key = P .. 'kept:' .. index(room, agent)
local kept = redis.call('GET', kept_key)
local replaced = 'null'
if kept and kept ~= session then return refuse('agent_id_taken') end
if held then
  local secret, old_node, old_connection = parse(held)
  if secret == '-' or secret ~= session then return refuse('agent_id_taken') end
  replaced = '{"node":"' .. old_node .. '","connection":' .. old_connection .. '}'
  redis.call('SREM', P .. 'of:' .. old_node, index(room, agent))
else
  local clients = redis.call('HLEN', key)
  if clients >= tonumber(max_clients) then return refuse('room_full') end
  if clients == 0 and redis.call('SCARD', P .. 'rooms') >= tonumber(max_rooms) then
    return refuse('too_many_rooms')
  end
  if clients == 0 and maker ~= '-' then
    local made = P .. 'made:' .. maker
    if max_made ~= '0' and redis.call('SCARD', made) >= tonumber(max_made) then
      return refuse('too_many_rooms_of_address')
    end
    redis.call('SADD', made, room)
    redis.call('HSET', P .. 'makers', room, maker)
  end
end
redis.call('DEL', kept_key)
redis.call('HSET', key, agent, session .. ' ' .. node .. ' ' .. connection .. ' ' .. member)
redis.call('SADD', P .. 'rooms', room)
redis.call('SADD', P .. 'of:' .. node, index(room, agent))
local others, nodes = {}, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local _, other, _, json = parse(all[i + 1])
  if all[i] ~= agent then table.insert(others, json) end
  nodes[other] = true
end
if held then
  local _, old_node = parse(held)
  nodes[old_node] = true
end
local start = '{"event":"joined","room":' .. cjson.encode(room) .. ',"member":' .. member
  .. ',"replaced":' .. replaced .. ',"others":['
for other in pairs(nodes) do
  if other ~= node then tell(other, start .. ']}') end
end
tell(node, start .. table.concat(others, ',') .. ']}')
"#;

/// Takes a client out, if its place is still its own.
const LEAVE: &str = r#"
local room, agent, node, connection, keep_name_ms = unpack(ARGV)
local held = redis.call('HGET', P .. 'room:' .. room, agent)
if held then
  local _, its_node, its_connection = parse(held)
  if its_node == node and its_connection == connection then remove(room, agent, keep_name_ms) end
end
"#;

/// Renews this node's lease, and removes the members of nodes that have not renewed theirs. Returns
/// whether this node still was among the living.
const RENEW: &str = r#"
local me, lease, first, keep_name_ms = unpack(ARGV)
if first == '0' and redis.call('EXISTS', P .. 'node:' .. me) == 0 then return 0 end
redis.call('SADD', P .. 'nodes', me)
redis.call('SET', P .. 'node:' .. me, '1', 'PX', lease)
for _, node in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
  if redis.call('EXISTS', P .. 'node:' .. node) == 0 then
    for _, entry in ipairs(redis.call('SMEMBERS', P .. 'of:' .. node)) do
      local length, rest = string.match(entry, '^(%d+):(.*)$')
      local room, agent = string.sub(rest, 1, length), string.sub(rest, length + 1)
      if redis.call('HEXISTS', P .. 'room:' .. room, agent) == 1 then
        remove(room, agent, keep_name_ms)
      end
    end
    redis.call('DEL', P .. 'of:' .. node)
    redis.call('SREM', P .. 'nodes', node)
  end
end
return 1
"#;

/// The scripts, ready to be sent.
pub(super) struct Scripts {
    pub(super) join: String,
    pub(super) leave: String,
    pub(super) renew: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let with_prelude = |script| format!("{PRELUDE}{script}");
        Self {
            join: with_prelude(JOIN),
            leave: with_prelude(LEAVE),
            renew: with_prelude(RENEW),
        }
    }
}

/// The channel on which a node hears what concerns it.
pub(super) fn channel(node: &str) -> String {
    format!("signaling:to:{node}")
}
