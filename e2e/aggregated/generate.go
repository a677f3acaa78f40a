package main

//go:generate go tool openapi-gen --go-header-file /dev/null --output-dir ./models --output-pkg pilothouse/e2e/aggregated/models --output-file zz_generated_openapi.go --report-filename /dev/null pilothouse/e2e/aggregated/library k8s.io/metrics/pkg/apis/metrics/v1beta1 k8s.io/apimachinery/pkg/apis/meta/v1 k8s.io/apimachinery/pkg/runtime k8s.io/apimachinery/pkg/version k8s.io/apimachinery/pkg/api/resource k8s.io/apimachinery/pkg/util/intstr
