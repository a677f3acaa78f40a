// Package e2e has the tests from outside: the built program as a process of its
// own, and the clients that people use: kubectl, client-go, curl's kind of HTTP.
// The browser's tests are beside, in JavaScript.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// binary is the program under test; built is a folder for what tests build.
var (
	binary = os.Getenv("PILOTHOUSE_BIN")
	built  string
)

// TestMain builds the program once. The test binary is kubectl, too, when a test
// starts it so: a process of its own ends as kubectl ends.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_KUBECTL") == "1" {
		os.Args[0] = "kubectl"
		cmdutil.CheckErr(cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()))
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if built, err = os.MkdirTemp("", "pilothouse-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	if binary != "" {
		return m.Run()
	}
	binary = filepath.Join(built, "pilothouse")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "pilothouse")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
