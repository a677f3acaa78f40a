// Command pilothouse is a Kubernetes API server in one process: `pilothouse`
// starts it, `pilothouse --help` lists what can be set.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/commands"
	"pilothouse/backend/commands/proxy"
	"pilothouse/backend/config"
	"pilothouse/backend/logging"
	"pilothouse/backend/metrics"
	"pilothouse/backend/version"

	"github.com/spf13/cobra"
)

func main() {
	// A second signal ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := command().ExecuteContext(ctx)
	logging.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pilothouse:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

// command is the program's command line; without a command it serves.
func command() *cobra.Command {
	root := serveCommand("pilothouse")
	root.Short = "A Kubernetes API server in one process"
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serveCommand("serve"),
		nodeCommand(),
		backupCommand(),
		restoreCommand(),
		migrateCommand(),
		proxy.Command(),
		&cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { fmt.Println(version.Line()) }},
	)
	root.AddCommand(commands.Commands()...)
	return root
}

func serveCommand(name string) *cobra.Command {
	o := &config.Options{}
	c := &cobra.Command{Use: name, Short: "Serve the API and the dashboard", Args: cobra.NoArgs}
	o.AddFlags(c.Flags())
	c.Flags().SortFlags = false
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.General.Version {
			fmt.Println(version.Line())
			return nil
		}
		if err := o.Complete(c.Flags(), os.Environ()); err != nil {
			return err
		}
		return serve(c.Context(), o)
	}
	return c
}

// nodeCommand is a node for an API server on another machine.
func nodeCommand() *cobra.Command {
	o := &backend.RemoteNode{}
	c := &cobra.Command{Use: "node --kubeconfig FILE", Short: "Run pods on this machine for an API server elsewhere", Args: cobra.NoArgs}
	fs := c.Flags()
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "The way to the API server, as the node or as somebody who may ask for a node's certificate.")
	fs.StringVar(&o.Backend, "node", "auto", "What runs pods: auto for what the machine can do; cri for a container runtime's socket; builtin for Linux containers without a daemon; sim for what only pretends.")
	o.AddRuntimeFlags(fs)
	fs.StringVar(&o.DataDir, "data-dir", "pilothouse-node", "The folder of images, volumes and logs.")
	fs.IntVar(&o.Port, "port", 10250, "The port of the kubelet API, which the API server must reach.")
	logging.AddFlags(fs)
	fs.SortFlags = false
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.Kubeconfig == "" {
			return errors.New("--kubeconfig is needed")
		}
		return o.Run(c.Context(), func(said string) { fmt.Print(said) })
	}
	return c
}

// migrateCommand moves the objects between the data folder and etcd.
func migrateCommand() *cobra.Command {
	var o config.Storage
	var to string
	c := &cobra.Command{
		Use: "migrate --to etcd|folder --etcd-servers URL", Args: cobra.NoArgs,
		Short: "Copy all objects, with their resource versions, between the data folder and an etcd cluster",
	}
	o.AddFlags(c.Flags())
	c.Flags().StringVar(&to, "to", "", "Where to copy to: etcd or folder.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if to != "etcd" && to != "folder" {
			return fmt.Errorf("--to=%s: must be etcd or folder", to)
		}
		if err := o.Check(); err != nil {
			return err
		}
		revision, err := backend.Migrate(c.Context(), &o, to == "etcd")
		if err == nil {
			fmt.Printf("Everything is there, at revision %d.\n", revision)
		}
		return err
	}
	return c
}

func serve(ctx context.Context, o *config.Options) error {
	backend.TuneMemory()
	s, err := backend.New(o)
	if err != nil {
		return err
	}
	return s.Run(ctx, func() {
		fmt.Print(s.Greeting())
		// What goes on beside, documents above all, is done after a second here, on a
		// slow machine later.
		for _, after := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute} {
			time.AfterFunc(after, metrics.Guarded("server", backend.ReleaseStartMemory))
		}
	})
}
