// Package commands owns the commands that ask a running server what only it
// knows: why a request was answered as it was (why.go), what became of an object
// (history.go), who may do something (whocan.go). They are clients like kubectl,
// by a kubeconfig. Read commands.go first, then client.go.
package commands

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Commands are the commands, in their order.
func Commands() []*cobra.Command {
	return []*cobra.Command{whyCommand(), historyCommand(), changesCommand(), whoCanCommand()}
}

// where says which server is asked, and about which namespace.
type where struct{ kubeconfig, dataDir, namespace string }

func (w *where) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&w.kubeconfig, "kubeconfig", "", "The server and who asks; without it $KUBECONFIG, or the admin.kubeconfig of --data-dir.")
	c.Flags().StringVar(&w.dataDir, "data-dir", "pilothouse-data", "The server's folder, for its admin.kubeconfig.")
}

func (w *where) addNamespace(c *cobra.Command, usage string) {
	c.Flags().StringVarP(&w.namespace, "namespace", "n", "", usage)
}

func (w *where) file() string {
	return cmp.Or(w.kubeconfig, os.Getenv("KUBECONFIG"), filepath.Join(w.dataDir, "admin.kubeconfig"))
}
