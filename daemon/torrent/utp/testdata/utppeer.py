"""A libtorrent peer that speaks uTP alone.

utppeer.py seed DIR          makes DIR/content into a torrent and seeds it
utppeer.py leech DIR HASHES  downloads the torrent described by HASHES into DIR

Prints one line: the port, the info hash. The leech then reads lines
"ADDRESS PORT" and connects to them; it prints "done SECONDS" when it is complete.
Both end when standard input does.
"""

import sys
import threading
import time

import libtorrent as lt

V1_ONLY = 1 << 6  # create_torrent_flags_t has no name for it in Python

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_outgoing_tcp": False,
    "enable_incoming_tcp": False,
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "in_enc_policy": 2,  # disabled: this is about the transport
    "out_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
    "send_buffer_watermark": 4 << 20,
    "max_out_request_queue": 1500,
    "max_allowed_in_request_queue": 2000,
    "unchoke_slots_limit": -1,
}


def torrent(folder):
    files = lt.file_storage()
    lt.add_files(files, folder + "/content")
    made = lt.create_torrent(files, 1 << 20, V1_ONLY)
    lt.set_piece_hashes(made, folder)
    return lt.bencode(made.generate())


def main():
    role, folder = sys.argv[1], sys.argv[2]
    if role == "seed":
        metainfo = torrent(folder)
        with open(folder + "/content.torrent", "wb") as f:
            f.write(metainfo)
    else:
        with open(sys.argv[3], "rb") as f:
            metainfo = f.read()
    info = lt.torrent_info(lt.bdecode(metainfo))
    session = lt.session(SETTINGS)
    params = lt.add_torrent_params()
    params.ti, params.save_path = info, folder
    if role == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    handle = session.add_torrent(params)
    handle.resume()
    while session.listen_port() == 0:
        time.sleep(0.01)
    print(session.listen_port(), str(info.info_hash()), flush=True)

    began = time.monotonic()

    def watch():
        while not handle.status().is_seeding:
            time.sleep(0.005)
        print("done", time.monotonic() - began, flush=True)

    if role == "leech":
        threading.Thread(target=watch, daemon=True).start()
    for line in sys.stdin:
        address, port = line.split()
        began = time.monotonic()
        handle.connect_peer((address, int(port)))


main()
