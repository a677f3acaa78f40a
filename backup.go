package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/commands"
	"pilothouse/backend/config"
	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"github.com/spf13/cobra"
)

// backupCommand writes a backup of a running server, or of the storage of one
// that does not run.
func backupCommand() *cobra.Command {
	var o config.Storage
	var kubeconfig string
	var offline bool
	c := &cobra.Command{
		Use: "backup [FILE]", Args: cobra.MaximumNArgs(1),
		Short: "Write everything that the server keeps into a file, while it runs",
		Long:  "Writes all objects, Secrets too, as they are at one moment, into FILE (- is the output). It asks the running server, which must let its caller get the nonResourceURL /backup; --offline reads the data folder or etcd itself. Certificates and keys are no objects: copy the folder pki besides.",
	}
	o.AddFlags(c.Flags())
	c.Flags().StringVar(&kubeconfig, "kubeconfig", "", "The server and who asks; without it $KUBECONFIG, or the admin.kubeconfig of --data-dir.")
	c.Flags().BoolVar(&offline, "offline", false, "Reads --data-dir or --etcd-servers without a server; of a data folder it must have been stopped.")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.Check(); err != nil {
			return err
		}
		name := "pilothouse-" + time.Now().UTC().Format("20060102-150405") + ".backup"
		if len(args) > 0 {
			name = args[0]
		}
		return backupInto(name, func(w io.Writer) error {
			if offline {
				_, err := backend.Backup(c.Context(), &o, w)
				return err
			}
			return commands.Backup(c.Context(), kubeconfig, o.DataDir, w)
		})
	}
	return c
}

// backupInto has a backup written into a file, which is there under its name only
// when it is whole.
func backupInto(name string, write func(io.Writer) error) error {
	if name == "-" {
		_, _, err := checked(os.Stdout, write)
		return err
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	revision, objects, err := checked(f, write)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		os.Remove(part)
		return err
	}
	fmt.Printf("%s has %d objects as they were at revision %d.\n", name, objects, revision)
	return nil
}

// checked reads a backup while it is written: what is cut off or damaged is an
// error.
func checked(w io.Writer, write func(io.Writer) error) (revision, objects int64, err error) {
	r, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		var err error
		err = metrics.Protected("backup", func() (err error) {
			revision, objects, err = storage.CheckBackup(r)
			return err
		})
		r.CloseWithError(err)
		done <- err
	}()
	err = write(io.MultiWriter(w, pipe))
	pipe.CloseWithError(err)
	if found := <-done; err == nil {
		err = found
	}
	return revision, objects, err
}

// restoreCommand makes a data folder, or fills an etcd cluster, from a backup.
func restoreCommand() *cobra.Command {
	var o config.Storage
	var bump int64
	c := &cobra.Command{
		Use: "restore FILE", Args: cobra.ExactArgs(1),
		Short: "Fill a new data folder or etcd cluster from a backup",
		Long:  "Fills --data-dir, or --etcd-servers, with the objects of a backup, each at its resource version. Nothing may have been written there before, and no server may run on it. Of the folder only db must be new: keep its pki, or copy that from where it was, so that certificates and tokens stay valid.",
	}
	o.AddFlags(c.Flags())
	c.Flags().Int64Var(&bump, "bump-revision", 1_000_000, "How many resource versions to leave out: at least as many as were given out between the backup and the loss, so that clients that have seen those read everything again.")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.Check(); err != nil {
			return err
		}
		return restoreFrom(c.Context(), args[0], &o, bump)
	}
	return c
}

func restoreFrom(ctx context.Context, name string, o *config.Storage, bump int64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, objects, err := storage.CheckBackup(f) // all of it, before anything is written
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	revision, err := backend.Restore(ctx, o, f, bump)
	if err != nil {
		return err
	}
	fmt.Printf("%d objects are there, at revision %d.\n", objects, revision)
	return nil
}
