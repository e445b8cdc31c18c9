package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
)

// listTransmission asks over Transmission's RPC, which wants its session id
// back.
func listTransmission(ctx context.Context, client *http.Client, _ *lorrent) (seeding int, err error) {
	const body = `{"method":"torrent-get","arguments":{"fields":["id","name","status","totalSize","percentDone","rateDownload","rateUpload","eta","errorString"]}}`
	var reply struct {
		Arguments struct {
			Torrents []struct{ Status int }
		}
	}
	session := ""
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:9091/transmission/rpc", strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-Transmission-Session-Id", session)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusConflict {
			session = resp.Header.Get("X-Transmission-Session-Id")
			continue
		}
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
			return 0, err
		}
		break
	}
	for _, torrent := range reply.Arguments.Torrents {
		if torrent.Status == 6 { // seeding
			seeding++
		}
	}
	return seeding, nil
}

const qbittorrentAPI = "http://127.0.0.1:8080/api/v2/torrents/"

func listQBittorrent(ctx context.Context, client *http.Client, _ *lorrent) (seeding int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, qbittorrentAPI+"info", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var torrents []struct{ State string }
	if err := json.NewDecoder(resp.Body).Decode(&torrents); err != nil {
		return 0, err
	}
	for _, torrent := range torrents {
		if torrent.State == "stalledUP" || torrent.State == "uploading" {
			seeding++
		}
	}
	return seeding, nil
}

func addQBittorrent(ctx context.Context, client *http.Client, torrent []byte) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("torrents", "idle.torrent")
	if err != nil {
		return err
	}
	part.Write(torrent) // to memory
	form.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, qbittorrentAPI+"add", &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("add torrent to qBittorrent: %s", resp.Status)
	}
	return nil
}
