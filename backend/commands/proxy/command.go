package proxy

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Command is `pilothouse proxy`.
func Command() *cobra.Command {
	var o Options
	var kubeconfig, context string
	c := &cobra.Command{
		Use: "proxy", Args: cobra.NoArgs,
		Short: "Serve the API on this machine without authentication, as kubectl proxy does",
		Long: "Serves the API, and the dashboard for browsers, on a port of this machine to whoever can reach it, as the user of a kubeconfig: " +
			"that of --kubeconfig, else of $KUBECONFIG, else the one that a server on this machine has written (pilothouse-data/admin.kubeconfig), else ~/.kube/config.",
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&kubeconfig, "kubeconfig", "", "The kubeconfig with the server and the user.")
	f.StringVar(&context, "context", "", "The context of the kubeconfig to use; the current one by default.")
	f.IntVarP(&o.Port, "port", "p", 8001, "The port to serve on; 0 picks a free one.")
	f.StringVar(&o.Address, "address", "127.0.0.1", "The IP address to serve on.")
	f.StringVarP(&o.UnixSocket, "unix-socket", "u", "", "A Unix socket to serve on instead of a port.")
	f.StringVar(&o.APIPrefix, "api-prefix", "/", "The path below which the API is served.")
	f.StringVarP(&o.StaticDir, "www", "w", "", "A folder whose files are served too.")
	f.StringVarP(&o.StaticPrefix, "www-prefix", "P", "/static/", "The path below which those files are served.")
	f.BoolVar(&o.AppendServerPath, "append-server-path", false, "Keep the path of the server's address in front of each request's.")
	f.StringVar(&o.AcceptHosts, "accept-hosts", DefaultAcceptHosts, "Regular expressions, separated by commas, of hosts that are accepted.")
	f.StringVar(&o.AcceptPaths, "accept-paths", DefaultAcceptPaths, "Regular expressions of paths that are accepted.")
	f.StringVar(&o.RejectPaths, "reject-paths", DefaultRejectPaths, "Regular expressions of paths that are refused, even when they are accepted too.")
	f.StringVar(&o.RejectMethods, "reject-methods", DefaultRejectMethods, "Regular expressions of HTTP methods that are refused (\"POST,PUT,PATCH\").")
	f.BoolVar(&o.DisableFilter, "disable-filter", false, "Accept everything. This is dangerous: any page that a browser shows can use the API, too.")
	f.DurationVar(&o.Keepalive, "keepalive", 0, "The time between signs of life on an open connection; 0 is the system's.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if o.Config, err = config(kubeconfig, context); err != nil {
			return err
		}
		if o.DisableFilter && o.UnixSocket == "" {
			fmt.Fprintln(os.Stderr, "Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious")
		}
		return Run(c.Context(), o, func(address string) { fmt.Println("Starting to serve on", address) })
	}
	return c
}

// ownKubeconfig is what a server with the default data folder writes.
var ownKubeconfig = filepath.Join("pilothouse-data", "admin.kubeconfig")

func config(file, context string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	if _, err := os.Stat(ownKubeconfig); file == "" && os.Getenv(clientcmd.RecommendedConfigPathEnvVar) == "" && err == nil {
		rules.ExplicitPath = ownKubeconfig
	}
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return c, nil
}
