"""A libtorrent peer for torrents of BitTorrent v2: plain TCP, nothing found by
itself.

Its argument is JSON: make (payload, piece length, format and the .torrent to
write) ends it at once. Otherwise address and port to listen on, torrent (a
.torrent) or link, folder for the payload, peer (pair of address and port) to
call, and done, the file it makes once everything is there and checked.

libtorrent 2.0.8 says of a sound hybrid torrent, too, once in some hundred
downloads, that its hashes are inconsistent (arvidn/libtorrent#6394), and stops;
it is begun anew then. It says so each time if it is true, and never gets done.
"""
import json, os, sys, time
import libtorrent as lt

args = json.loads(sys.argv[1])
if args.get("make"):
    m = args["make"]
    files = lt.file_storage()
    lt.add_files(files, m["payload"])
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[m["format"]]
    torrent = lt.create_torrent(files, piece_size=m["pieceLength"], flags=flags)
    lt.set_piece_hashes(torrent, os.path.dirname(m["payload"]))
    with open(m["out"], "wb") as f:
        f.write(lt.bencode(torrent.generate()))
    sys.exit(0)

INCONSISTENT_HASHES = 217

def begin():
    session = lt.session({
        "listen_interfaces": "%s:%d" % (args["address"], args["port"]),
        "outgoing_interfaces": args["address"],
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "min_reconnect_time": 1, "close_redundant_connections": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification | lt.alert.category_t.peer_notification,
    })
    if args.get("link"):
        add = lt.parse_magnet_uri(args["link"])
    else:
        add = lt.add_torrent_params()
        add.ti = lt.torrent_info(args["torrent"])
    add.save_path = args["folder"]
    add.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return session, session.add_torrent(add)

def said(session):
    """Prints what happened, and tells whether hashes are inconsistent."""
    inconsistent = False
    for alert in session.pop_alerts():
        print(alert.what(), alert.message(), flush=True)
        if isinstance(alert, lt.torrent_error_alert):
            inconsistent |= alert.error.value() == INCONSISTENT_HASHES
    return inconsistent

session, handle = begin()
done, called = False, 0.0
while os.getppid() != 1:
    if said(session):
        del handle, session # closes its sockets
        session, handle = begin()
    status = handle.status()
    if args.get("peer") and status.num_peers == 0 and time.time() - called > 1:
        called = time.time()
        handle.connect_peer(tuple(args["peer"]))
    if not done and status.is_seeding:
        done = True
        os.close(os.open(args["done"], os.O_CREAT | os.O_WRONLY, 0o644))
    time.sleep(0.02)
