package server

import (
	"net/http"
	"strings"

	"lorrent/lora"
	"lorrent/rpc"
)

// LoRaService answers LoRa.*.
type LoRaService struct{ lora LoRa }

// Status describes the radio: its settings, whether it works, its counters
// and its airtime.
func (s *LoRaService) Status(_ *http.Request, _ *rpc.Empty, reply *rpc.LoRaStatus) error {
	st := s.lora.Status()
	*reply = rpc.LoRaStatus{
		Radio: st.Radio, Up: st.Up, Error: st.Error, NodeID: lora.FormatNodeID(st.NodeID),
		Name: st.Name, Key: st.Key.String(), Fingerprint: st.Key.Fingerprint(), Region: st.Region, Band: st.Band,
		BusyShare: finite(st.BusyShare), MaxText: st.MaxText, PacketsForged: int64(st.PacketsForged),
		FrequencyHz: int64(st.FrequencyHz), BandwidthHz: int64(st.BandwidthHz),
		SpreadingFactor: st.SpreadingFactor, CodingRate: st.CodingRate, TxPowerDBm: st.TxPowerDBm,
		Queued: st.Queued, PacketsSent: int64(st.PacketsSent), PacketsReceived: int64(st.PacketsReceived),
		PacketsBad: int64(st.PacketsBad), PacketsDuplicate: int64(st.PacketsDuplicate), PacketsLost: int64(st.PacketsLost),
		AirtimeUsedSeconds: st.AirtimeUsed.Seconds(), AirtimeLimitSeconds: st.AirtimeLimit.Seconds(),
		Nodes: len(s.lora.Nodes()),
	}
	return nil
}

// Boards returns the serial ports on USB of the daemon's machine, where boards
// may be.
func (s *LoRaService) Boards(_ *http.Request, _ *rpc.Empty, reply *rpc.BoardsReply) error {
	boards, err := lora.Boards()
	if err != nil {
		return err
	}
	_, used, _ := strings.Cut(s.lora.Status().Radio, ":")
	reply.Boards = convert(boards, func(b lora.Board) rpc.Board {
		return rpc.Board{Path: b.Path, USB: b.USB, Serial: b.Serial, Product: b.Product, Boards: b.Boards, InUse: b.Path == used}
	})
	return nil
}

// Nodes returns the stations heard, latest first.
func (s *LoRaService) Nodes(_ *http.Request, _ *rpc.Empty, reply *rpc.NodesReply) error {
	reply.Nodes = convert(s.lora.Nodes(), func(n lora.Node) rpc.Node {
		return rpc.Node{
			ID: lora.FormatNodeID(n.ID), LastHeard: n.LastHeard,
			RSSIdBm: finite(n.RSSIdBm), SNRdB: finite(n.SNRdB), Packets: int64(n.Packets),
		}
	})
	return nil
}
