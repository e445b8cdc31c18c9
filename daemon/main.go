// Command daemon is lorrent's long-running process: it downloads and seeds
// torrents, carries LoRa messages, and is driven over JSON-RPC.
//
// This package only wires: it reads the configuration, opens the database,
// starts the engine, the LoRa bridge and the RPC server under a supervisor,
// talks to systemd, and closes everything in reverse. The work is done in the
// packages below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of the daemon.
const (
	exitOK     = 0
	exitFailed = 1 // something went wrong while running
	exitUsage  = 2 // bad flags or configuration
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError marks what the user has to correct.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// noArgs refuses arguments, an unknown command among them.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := command(stdout, stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "lorrentd: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "lorrentd: %v\n", err)
		return exitFailed
	}
}

func command(stdout, stderr io.Writer) *cobra.Command {
	var flags settings
	run := func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(&flags, cmd.Flags().Changed, os.LookupEnv)
		if err != nil {
			return usageError{err}
		}
		return run(cmd.Context(), cfg, stderr)
	}
	root := &cobra.Command{
		Use:           "lorrentd",
		Short:         "BitTorrent and LoRa messages in one daemon",
		Args:          noArgs,
		RunE:          run,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags.bind(root.PersistentFlags())
	root.AddCommand(
		&cobra.Command{Use: "run", Short: "Run the daemon (what happens without a command)", Args: noArgs, RunE: run},
		demoCommand(stdout, stderr),
		configCommand(&flags, stdout),
		&cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, Run: func(*cobra.Command, []string) {
			fmt.Fprintln(stdout, versionLine())
		}},
	)
	return root
}

func configCommand(flags *settings, stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Check the configuration and print what is in force",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(flags, cmd.Flags().Changed, os.LookupEnv)
			if err != nil {
				return usageError{err}
			}
			return cfg.print(stdout)
		},
	}
}
