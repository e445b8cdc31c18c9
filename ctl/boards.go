package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

func (a *app) boardsCommand() *cobra.Command {
	var noHeader bool
	cmd := &cobra.Command{
		Use:   "boards",
		Short: "List the serial ports where boards may be",
		Long: `List the serial ports on USB of the daemon's machine, and which boards have
chips like that. None is opened: that would restart some boards. A board is
the daemon's radio with --lora serial:PORT, or serial:auto for the first that
answers.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			reply, err := c.LoRaBoards(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(append([]rpc.Board{}, reply.Boards...))
			}
			t := &table{columns: []column{{title: "PORT"}, {title: "USB"}, {title: "USED"}, {title: "MAY BE"}, {title: "PRODUCT"}}}
			for _, b := range reply.Boards {
				used := ""
				if b.InUse {
					used = "daemon"
				}
				t.add(text("%s", b.Path), text("%s", b.USB), text("%s", used), text("%s", b.Boards), text("%s", b.Product))
			}
			return a.out.printTable(t, !noHeader)
		}),
	}
	cmd.Flags().BoolVar(&noHeader, "no-header", false, "leave out the header")
	return cmd
}

// flashable is a board that firmware/board has an environment for.
type flashable struct {
	Board       string   `json:"board"`
	Environment string   `json:"environment"`
	Chip        string   `json:"chip"`
	USB         string   `json:"usb"`
	Ports       []string `json:"ports"`
	Build       string   `json:"build"`
	Release     string   `json:"release"`
}

func flashables() []flashable {
	return []flashable{
		{Board: "Heltec WiFi LoRa 32 V2", Environment: "heltec_v2", Chip: "esp32", USB: "10c4:ea60"},
		{Board: "Heltec WiFi LoRa 32 V3, V3.1, V3.2", Environment: "heltec_v3", Chip: "esp32s3", USB: "10c4:ea60"},
	}
}

func (a *app) flashInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "flash-info",
		Short: "Tell which command flashes which board",
		Long: `Tell which command puts the firmware on which board: built from source with
PlatformIO, or a released image with esptool. Ports are those that the daemon
finds plugged in; without a daemon, or a port, PORT stands for yours. Which of
several boards is at a port the USB id does not always say: look at the board.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			var plugged []rpc.Board
			reply, err := c.LoRaBoards(ctx, rpc.Empty{})
			if err == nil {
				plugged = reply.Boards
			}
			return a.printFlashInfo(flashCommands(plugged))
		}),
	}
}

// flashCommands fills in the ports and the commands.
func flashCommands(plugged []rpc.Board) []flashable {
	list := flashables()
	for i := range list {
		f := &list[i]
		f.Ports = []string{}
		for _, b := range plugged {
			if b.USB == f.USB {
				f.Ports = append(f.Ports, b.Path)
			}
		}
		port := "PORT"
		if len(f.Ports) > 0 {
			port = f.Ports[0]
		}
		f.Build = fmt.Sprintf("pio run -d firmware/board -e %s -t upload --upload-port %s", f.Environment, port)
		f.Release = fmt.Sprintf("esptool --chip %s --port %s --baud 921600 write_flash 0x0 lorrent-%s-merged.bin", f.Chip, port, f.Environment)
	}
	return list
}

func (a *app) printFlashInfo(list []flashable) error {
	if a.json {
		return a.out.printJSON(list)
	}
	for i, f := range list {
		ports := strings.Join(f.Ports, ", ")
		if ports == "" {
			ports = "none plugged in"
		}
		p := &pairs{}
		p.add("board", text("%s", f.Board))
		p.add("ports", text("%s", ports))
		p.add("from source", text("%s", f.Build))
		p.add("from a release", text("%s", f.Release))
		if err := a.out.printPairs(p); err != nil {
			return err
		}
		if i < len(list)-1 {
			if err := a.out.print("\n"); err != nil {
				return err
			}
		}
	}
	return nil
}
