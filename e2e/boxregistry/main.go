// Command boxregistry is a registry that has the image of the tests of nodes, for
// the browser tests. It prints the image's reference, and ends with its standard
// input.
package main

import (
	"fmt"
	"io"
	"os"

	"pilothouse/e2e/boximage"
)

func main() {
	ref, stop, err := boximage.Serve("box:1")
	if err != nil {
		fmt.Fprintln(os.Stderr, "boxregistry:", err)
		os.Exit(1)
	}
	defer stop()
	fmt.Println(ref)
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // it ends
}
