// Command istio writes the charts that Istio publishes into a folder, as they
// are. It has a module of its own, so that Pilothouse needs nothing of Istio's.
package main

import (
	"fmt"
	"os"

	"istio.io/istio/manifests"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "istio: say which folder")
		os.Exit(2)
	}
	if err := os.CopyFS(os.Args[1], manifests.FS); err != nil {
		fmt.Fprintln(os.Stderr, "istio:", err)
		os.Exit(1)
	}
}
