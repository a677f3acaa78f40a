// Command box is all that the containers of the tests have: a few commands of a
// Unix system under the names of their links, as far as the tests and kubectl
// use them.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var commands = map[string]func(args []string) int{
	"echo": echo, "cat": cat, "sleep": pause, "true": func([]string) int { return 0 }, "exit": exit, "env": env, "id": id, "size": size,
	"serve": serve, "tar": archive, "count": count, "write": write, "fetch": fetch, "ps": processes, "memory": memory, "test": exists, "try": try, "touch": touch,
	"api": api, "flood": flood,
}

func main() {
	commands["shell"], commands["ash"] = shell, shell
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if name == "box" && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	run := commands[name]
	if run == nil {
		fmt.Fprintln(os.Stderr, "box: no command", name)
		os.Exit(127)
	}
	os.Exit(run(args))
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "box:", err)
	return 1
}

func echo(args []string) int { fmt.Println(strings.Join(args, " ")); return 0 }

func cat(args []string) int {
	if len(args) == 0 {
		io.Copy(os.Stdout, os.Stdin)
		return 0
	}
	for _, a := range args {
		b, err := os.ReadFile(a)
		if err != nil {
			return fail(err)
		}
		os.Stdout.Write(b)
	}
	return 0
}

// pause sleeps, and ends with 0 at SIGTERM.
func pause(args []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	d := time.Hour
	if len(args) > 0 {
		n, err := strconv.ParseFloat(args[0], 64)
		if err != nil {
			return fail(err)
		}
		d = time.Duration(n * float64(time.Second))
	}
	select {
	case <-time.After(d):
	case <-signals:
		fmt.Println("terminated")
	}
	return 0
}

func exit(args []string) int {
	n, _ := strconv.Atoi(args[0])
	if len(args) > 1 {
		fmt.Fprintln(os.Stderr, strings.Join(args[1:], " "))
	}
	return n
}

func env([]string) int {
	for _, e := range os.Environ() {
		fmt.Println(e)
	}
	return 0
}

func id([]string) int {
	groups, _ := os.Getgroups()
	fmt.Println(os.Getuid(), os.Getgid(), groups, os.Getpid())
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		for _, k := range []string{"CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"} {
			if strings.HasPrefix(line, k) {
				fmt.Print(line)
			}
		}
	}
	return 0
}

// size says how large the terminal is, and again whenever that changes, until
// something is typed.
func size([]string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH)
	say := func() {
		if w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
			fmt.Printf("%dx%d\n", w.Col, w.Row)
		}
	}
	say()
	typed := make(chan string)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		typed <- line
	}()
	for {
		select {
		case <-signals:
			say()
		case line := <-typed:
			fmt.Print("typed ", line)
			return 7
		}
	}
}

func serve(args []string) int {
	what := "hello"
	if len(args) > 1 {
		what = args[1]
	}
	err := http.ListenAndServe(":"+args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/file" {
			if _, err := os.Stat("/tmp/well"); err != nil {
				http.Error(w, "not yet", 503)
				return
			}
		}
		fmt.Fprint(w, what)
	}))
	return fail(err)
}

func fetch(args []string) int {
	c := http.Client{Timeout: 10 * time.Second}
	r, err := c.Get(args[0])
	if err != nil {
		return fail(err)
	}
	io.Copy(os.Stdout, r.Body)
	fmt.Println()
	return 0
}

// api asks the cluster's API as programs in pods do.
func api(args []string) int {
	const dir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	ca, err := os.ReadFile(dir + "ca.crt")
	if err != nil {
		return fail(err)
	}
	token, err := os.ReadFile(dir + "token")
	if err != nil {
		return fail(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	if len(args) > 1 {
		host = args[1]
	}
	r, err := http.NewRequest("GET", "https://"+host+args[0], nil)
	if err != nil {
		return fail(err)
	}
	r.Header.Set("Authorization", "Bearer "+string(token))
	c := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	a, err := c.Do(r)
	if err != nil {
		return fail(err)
	}
	io.Copy(os.Stdout, a.Body)
	return 0
}

// count writes numbers, one each tenth of a second.
func count(args []string) int {
	n, _ := strconv.Atoi(args[0])
	for i := range n {
		fmt.Println(i)
		time.Sleep(100 * time.Millisecond)
	}
	return 0
}

// flood writes so many megabytes of lines.
func flood(args []string) int {
	n, _ := strconv.Atoi(args[0])
	line := []byte(strings.Repeat("a line of a log ", 8))
	line[len(line)-1] = '\n'
	lines := bytes.Repeat(line, (64<<10)/len(line))
	for range n << 20 / len(lines) {
		os.Stdout.Write(lines)
	}
	return 0
}

// write writes its second argument into the file of the first.
func write(args []string) int {
	if err := os.WriteFile(args[0], []byte(args[1]), 0o644); err != nil {
		return fail(err)
	}
	return 0
}

func touch(args []string) int { return write([]string{args[0], ""}) }

func exists(args []string) int {
	if _, err := os.Stat(args[len(args)-1]); err != nil {
		return 1
	}
	return 0
}

func processes([]string) int {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			b, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
			fmt.Println(e.Name(), strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return 0
}

// memory takes so many megabytes.
func memory(args []string) int {
	n, _ := strconv.Atoi(args[0])
	b := make([]byte, n<<20)
	for i := range b {
		b[i] = byte(i)
	}
	fmt.Println(len(b))
	time.Sleep(time.Second)
	return int(b[0])
}

// try does what a container may not.
func try([]string) int {
	say := func(what string, err error) { fmt.Printf("%s: %v\n", what, err) }
	say("mount", unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
	say("mknod", unix.Mknod("/tmp/device", unix.S_IFBLK|0o600, 0))
	say("unshare", unix.Unshare(unix.CLONE_NEWNS))
	say("hostname", unix.Sethostname([]byte("x")))
	say("sysctl", os.WriteFile("/proc/sys/kernel/hostname", []byte("x"), 0))
	_, err := os.ReadFile("/proc/kcore")
	say("kcore", err)
	c, err := net.ListenPacket("ip4:icmp", "127.0.0.1")
	if err == nil {
		c.Close()
	}
	say("raw", err)
	return 0
}

// shell runs the command in each line. On a terminal it has a prompt.
func shell([]string) int {
	_, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	prompt := func() {
		if err == nil {
			fmt.Print("/ # ")
		}
	}
	prompt()
	for s := bufio.NewScanner(os.Stdin); s.Scan(); prompt() {
		f := strings.Fields(s.Text())
		switch {
		case len(f) == 0:
		case f[0] == "exit" && len(f) == 1:
			return 0
		case f[0] == "exit":
			return exit(f[1:])
		case f[0] == "colours":
			fmt.Println("\x1b[31mred\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[38;2;10;200;90mtrue\x1b[0m 😀")
		case f[0] == "stty":
			if w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
				fmt.Println(w.Row, w.Col)
			}
		case commands[f[0]] != nil:
			commands[f[0]](f[1:])
		}
	}
	return 0
}

// archive is tar as kubectl cp calls it: cf - PATH, and -xmf - -C DIR.
func archive(args []string) int {
	if strings.Contains(args[0], "c") {
		return pack(args[len(args)-1])
	}
	dir := "."
	for i, a := range args {
		if a == "-C" {
			dir = args[i+1]
		}
	}
	for r := tar.NewReader(os.Stdin); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return fail(err)
		}
		p := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(p, 0o755)
		} else {
			var f *os.File
			if f, err = os.Create(p); err == nil {
				_, err = io.Copy(f, r)
				f.Close()
			}
		}
		if err != nil {
			return fail(err)
		}
	}
}

func pack(root string) int {
	w := tar.NewWriter(os.Stdout)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = strings.TrimPrefix(p, "/")
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fail(err)
	}
	return 0
}
