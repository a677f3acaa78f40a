// Command sidecar-injector is a mutating admission webhook that adds a proxy to
// every pod of namespaces with the label sidecar-injection=enabled, the way a
// service mesh does. It makes its own CA.
//
// On a machine beside the API server:
//
//	go run . manifests -dir certs -url https://127.0.0.1:9443 | kubectl apply -f -
//	go run . serve -dir certs -listen 127.0.0.1:9443
//
// In the cluster, from an image of it:
//
//	go run . manifests -dir certs -image IMAGE | kubectl apply -f -
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sidecar-injector:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say manifests or serve")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	dir := flags.String("dir", "certs", "folder of ca.crt, tls.crt and tls.key")
	url := flags.String("url", "", "where the API server finds the injector; empty for the Service of a Deployment")
	image := flags.String("image", "sidecar-injector:latest", "image of the Deployment")
	listen := flags.String("listen", ":9443", "address to serve on")
	names := flags.String("names", "", "more names of the certificate, separated by commas")
	proxy := flags.String("proxy", "envoyproxy/envoy:v1.35.0", "image of the proxy")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "manifests":
		all := []string{"sidecar-injector.sidecar-injector.svc", "localhost", "127.0.0.1"}
		if *names != "" {
			all = append(all, strings.Split(*names, ",")...)
		}
		pair, err := newPair(time.Now(), all...)
		if err != nil {
			return err
		}
		if err := pair.save(*dir); err != nil {
			return err
		}
		fmt.Print(manifests(pair, *url, *image, *proxy))
		return nil
	case "serve":
		server := &http.Server{Addr: *listen, Handler: injector{proxy: *proxy}, ReadHeaderTimeout: 10 * time.Second}
		return server.ListenAndServeTLS(filepath.Join(*dir, "tls.crt"), filepath.Join(*dir, "tls.key"))
	}
	return fmt.Errorf("there is no command %q: say manifests or serve", args[0])
}
