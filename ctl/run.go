package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// program is the name in help and errors: that of the released binary.
const program = "lorrentctl"

// maxTokenFile bounds what is read of a token file; a token is a line.
const maxTokenFile = 4 << 10

// app is one run of ctl: its streams, its environment and its global flags.
type app struct {
	// immutable after run made it
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    map[string]string

	// filled by the flag parser
	address   string
	tokenFile string
	json      bool
	color     string
	timeout   time.Duration

	// set by prepare
	started bool // the command line was understood
	cancel  context.CancelFunc
	out     *output

	client *rpc.Client // set by connect
}

// run executes one command line and returns the exit code. Whatever it started
// has ended when it returns.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: map[string]string{}}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			a.env[name] = value
		}
	}
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	cmd, err := root.ExecuteContextC(ctx)
	if a.cancel != nil {
		a.cancel()
	}
	if a.client != nil {
		a.client.Close()
	}
	if err == nil {
		return exitOK
	}
	if !a.started {
		err = a.misunderstood(cmd, args, err)
	}
	return a.report(err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Drive the lorrent daemon: torrents and LoRa messages",
		Long: `Drive the lorrent daemon: torrents and LoRa messages.

Torrents are named by their info hash or the beginning of it, as long as only
one torrent begins like that. Output is a table on a terminal, tab-separated
text in a pipe, and the result of the RPC call with --json.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: a.prepare,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.address, "rpc", "", "`address` of the daemon: unix:PATH, HOST:PORT or a URL (default $LORRENT_RPC, else the usual socket)")
	flags.StringVar(&a.tokenFile, "token-file", "", "`file` with the token for a daemon on TCP (default: the token in $LORRENT_TOKEN)")
	flags.BoolVar(&a.json, "json", false, "print the result, or the error, as JSON")
	flags.StringVar(&a.color, "color", "auto", "colours: auto, always or never")
	flags.DurationVar(&a.timeout, "timeout", 0, "give up after this long, with exit code 6 (default: wait as long as it takes)")
	a.completeFlag(root, "color", "auto", "always", "never")

	root.AddGroup(
		&cobra.Group{ID: "torrent", Title: "Torrents:"},
		&cobra.Group{ID: "lora", Title: "LoRa:"},
		&cobra.Group{ID: "daemon", Title: "Daemon:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("torrent", a.addCommand(), a.lsCommand(), a.showCommand())
	group("torrent", a.controlCommands()...)
	group("torrent", a.rmCommand(), a.filesCommand(), a.limitsCommand())
	group("lora", a.sendCommand(), a.chatCommand(), a.inboxCommand(), a.nodesCommand(), a.loraCommand())
	group("daemon", a.statusCommand(), a.watchCommand(), a.healthCommand(), a.shutdownCommand(), a.versionCommand())
	root.AddCommand(a.completionCommand(), exitCodesTopic())
	root.SetHelpCommand(a.helpCommand())
	return root
}

// helpCommand is cobra's, except that a topic that does not exist is an error.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command or a topic",
		RunE: func(c *cobra.Command, args []string) error {
			topic, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no help topic %q", strings.Join(args, " "))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var topics []string
			if len(args) == 0 {
				for _, sub := range c.Root().Commands() {
					topics = append(topics, sub.Name()+"\t"+sub.Short)
				}
			}
			return topics, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// prepare runs once the command line is parsed and before the command.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	a.started = true
	colored := false
	switch a.color {
	case "always":
		colored = true
	case "never":
	case "auto":
		colored = isTerminal(a.stdout) && a.env["NO_COLOR"] == "" && !a.dumb()
	default:
		return usage("--color %s: want auto, always or never", a.color)
	}
	if a.timeout < 0 {
		return usage("--timeout %s: must not be negative", a.timeout)
	}
	a.out = &output{w: a.stdout, json: a.json, tty: isTerminal(a.stdout), color: colored}
	if a.timeout > 0 {
		ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
		cmd.SetContext(ctx)
		a.cancel = cancel
	}
	return nil
}

// dumb says that the terminal has no cursor to move.
func (a *app) dumb() bool { return a.env["TERM"] == "dumb" }

// daemonAddress is --rpc, else $LORRENT_RPC, else where daemons usually are.
func (a *app) daemonAddress() string {
	switch {
	case a.address != "":
		return a.address
	case a.env[rpc.AddressVariable] != "":
		return a.env[rpc.AddressVariable]
	}
	return rpc.DefaultAddress()
}

// connect returns the client of this run. It makes no connection yet.
func (a *app) connect() (*rpc.Client, error) {
	if a.client != nil {
		return a.client, nil
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	a.client, err = rpc.Dial(a.daemonAddress(), rpc.Options{Token: token})
	if err != nil {
		return nil, usage("%w", err)
	}
	return a.client, nil
}

func (a *app) token() (string, error) {
	if a.tokenFile == "" {
		return a.env["LORRENT_TOKEN"], nil
	}
	f, err := os.Open(a.tokenFile)
	if err != nil {
		return "", usage("read token: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", usage("read token: %w", err)
	}
	if len(b) > maxTokenFile || strings.TrimSpace(string(b)) == "" {
		return "", usage("read token: %s holds no token: want one line of at most %d bytes", a.tokenFile, maxTokenFile)
	}
	return string(b), nil
}

// withClient turns a function that talks to the daemon into a cobra RunE.
func (a *app) withClient(fn func(ctx context.Context, c *rpc.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		return fn(cmd.Context(), c, args)
	}
}

// misunderstood makes a usage error of what the parser said. The flags may not
// be parsed when it fails, so --json is looked for by hand.
func (a *app) misunderstood(cmd *cobra.Command, args []string, err error) error {
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--json" || arg == "--json=true" {
			a.json = true
		}
	}
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	f = usage("%w", err)
	if cmd != nil {
		f.hints = append(f.hints, fmt.Sprintf("see: %s --help", cmd.CommandPath()))
	}
	return f
}
