package main

import (
	"encoding/base64"
	"fmt"
)

// manifests are what the API server has to know: the webhook's configuration, and
// for an injector in the cluster its Namespace, Secret, Deployment and Service.
func manifests(p *pair, url, image, proxy string) string {
	bundle := base64.StdEncoding.EncodeToString(p.ca)
	if url != "" {
		return fmt.Sprintf(configuration, "url: "+url+"/inject", bundle)
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(deployment, encode(p.cert), encode(p.key), image, proxy) + "---\n" +
		fmt.Sprintf(configuration, "service: {namespace: sidecar-injector, name: sidecar-injector, path: /inject}", bundle)
}

const configuration = `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: sidecar-injector
webhooks:
- name: sidecar-injector.example.com
  clientConfig:
    %s
    caBundle: %s
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  namespaceSelector:
    matchLabels: {sidecar-injection: enabled}
  objectSelector:
    matchExpressions:
    - {key: sidecar-injection, operator: NotIn, values: [disabled]}
  reinvocationPolicy: IfNeeded
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 5
  admissionReviewVersions: [v1]
`

const deployment = `apiVersion: v1
kind: Namespace
metadata:
  name: sidecar-injector
---
apiVersion: v1
kind: Secret
metadata:
  name: sidecar-injector
  namespace: sidecar-injector
type: kubernetes.io/tls
data:
  tls.crt: %s
  tls.key: %s
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sidecar-injector
  namespace: sidecar-injector
spec:
  replicas: 2
  selector:
    matchLabels: {app: sidecar-injector}
  template:
    metadata:
      labels: {app: sidecar-injector}
    spec:
      containers:
      - name: injector
        image: %s
        args: [serve, -dir=/certs, -listen=:9443, -proxy=%s]
        ports:
        - {name: https, containerPort: 9443}
        volumeMounts:
        - {name: certs, mountPath: /certs, readOnly: true}
      volumes:
      - name: certs
        secret: {secretName: sidecar-injector}
---
apiVersion: v1
kind: Service
metadata:
  name: sidecar-injector
  namespace: sidecar-injector
spec:
  selector: {app: sidecar-injector}
  ports:
  - {name: https, port: 443, targetPort: https}
`
