"""A libtorrent peer for the benchmark: plain TCP or uTP, and no discovery of others.

Its argument is JSON: address and port to listen on, torrents (pairs of .torrent
and folder), utp (instead of TCP), seed (everything is there; unchecked), rate (bytes per second sent,
0 is no limit), peer (pair of address and port) with go (file that says when to
dial it), and the files it writes: ready once it listens, sent (payload bytes so
far), done once complete.
"""
import json, os, sys, time
import libtorrent as lt

args = json.loads(sys.argv[1])
session = lt.session({
    "listen_interfaces": "%s:%d" % (args["address"], args["port"]),
    "outgoing_interfaces": args["address"],
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": args["utp"], "enable_outgoing_utp": args["utp"],
    "enable_incoming_tcp": not args["utp"], "enable_outgoing_tcp": not args["utp"],
    "in_enc_policy": 2, "out_enc_policy": 2,  # plaintext
    "allow_multiple_connections_per_ip": True, "close_redundant_connections": False,
    "unchoke_slots_limit": -1, "active_seeds": -1, "active_limit": -1,
    "max_allowed_in_request_queue": 8000,      # on a long path
    "send_buffer_watermark": 16 << 20,
    "disable_hash_checks": not args["seed"],   # the files are compared afterwards
    "alert_mask": 0,
})
handles = []
for file, folder in args["torrents"]:
    add = lt.add_torrent_params()
    add.ti = lt.torrent_info(file)
    add.save_path = folder
    add.trackers = []
    flags = lt.torrent_flags
    add.flags &= ~(flags.auto_managed | flags.paused)
    if args["seed"]:
        add.flags |= flags.seed_mode
    handle = session.add_torrent(add)
    handle.replace_trackers([])
    handle.set_upload_limit(args["rate"] or -1)
    handles.append(handle)


def touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


while not session.is_listening():
    time.sleep(0.01)
touch(args["ready"])
if args["peer"]:
    while not os.path.exists(args["go"]):
        time.sleep(0.002)
    for handle in handles:
        handle.connect_peer(tuple(args["peer"]))
sent = os.open(args["sent"], os.O_CREAT | os.O_WRONLY, 0o644)
done = False
while os.getppid() != 1:
    states = [handle.status() for handle in handles]
    os.pwrite(sent, b"%20d" % sum(s.total_payload_upload for s in states), 0)
    if not done and not args["seed"] and all(s.is_seeding for s in states):
        session.pause()  # so that the files are closed
        touch(args["done"])
        done = True
    time.sleep(0.02)
