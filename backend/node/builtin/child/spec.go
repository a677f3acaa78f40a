// Package child is the other half of package builtin: what happens in the new
// process between its birth in its namespaces and the container's own program.
// A program that imports it becomes such a process when it is started under
// Argv0. Read spec.go first, then child_linux.go.
package child

// Argv0 is the name under which a program is a container's helper.
const Argv0 = "pilothouse-container"

// Modes of a helper.
const (
	// ModeInit begins a container: the root file system, then the program.
	ModeInit = "init"
	// ModeExec joins a container whose pidfd is descriptor 4.
	ModeExec = "exec"
	// ModePause is process 1 of a pod whose containers share their processes.
	ModePause = "pause"
)

// Descriptors that a helper is given beside 0, 1 and 2.
const (
	// ControlFD is a socket: the Spec comes in, an error or a terminal goes out.
	ControlFD = 3
	// JoinFD is the pidfd of the container that ModeExec joins.
	JoinFD = 4
)

// What a helper sends over the control socket: one of these, then the text of
// the error or, as ancillary data, the terminal.
const (
	SaysError    = 'E'
	SaysTerminal = 'T'
	SaysReady    = 'R'
)

// Mount is a path of the host in the container.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// Spec is what a helper is to do. It comes as JSON.
type Spec struct {
	// LayersDir is where the folders in Lower are; the first of Lower is the top.
	LayersDir   string
	Lower       []string
	Upper, Work string
	// Root is an empty folder, the place of the root file system.
	Root         string
	ReadonlyRoot bool
	Mounts       []Mount
	Masked       []string
	Readonly     []string
	// OwnNetwork tells that the network namespace is the pod's own.
	OwnNetwork bool
	Privileged bool

	Args []string
	Env  []string
	Cwd  string
	// User is a name or a number, with a group after a colon; UID and GID go
	// before it.
	User     string
	UID, GID *int64
	Groups   []int64

	Capabilities  []uintptr
	NoNewPrivs    bool
	Seccomp       bool
	OOMScoreAdj   int
	TTY           bool
	Width, Height uint16
}
