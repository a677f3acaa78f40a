// Command argo-cd is the two parts of Argo CD (https://argo-cd.readthedocs.io)
// that bring what is in git into a cluster, and the Redis that they share, as a
// library has it: argo-cd application-controller|repo-server|redis, with the
// flags of Argo CD's own commands. Its own program has five more parts, and takes
// ten times as long to build.
package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/alicebob/miniredis/v2"
	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	repository "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "argo-cd", SilenceUsage: true}
	application, repo := controller.NewCommand(), repository.NewCommand()
	application.Use, repo.Use = "application-controller", "repo-server"
	root.AddCommand(application, repo, redis())
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}

func redis() *cobra.Command {
	return &cobra.Command{Use: "redis ADDRESS", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		r := miniredis.NewMiniRedis()
		if err := r.StartAddr(args[0]); err != nil {
			return err
		}
		defer r.Close()
		fmt.Println("redis listens on", r.Addr())
		end := make(chan os.Signal, 1)
		signal.Notify(end, os.Interrupt)
		<-end
		return nil
	}}
}
