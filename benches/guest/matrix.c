/* Product of two matrices of doubles. Prints the trace and a corner. */
#include <stdio.h>

enum { N = 220 };
static double a[N][N], b[N][N], c[N][N];

int main(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 / 3.0;
            b[i][j] = (i * 5 + j * 13) % 17 / 7.0;
        }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] += sum;
            }
    double trace = 0;
    for (int i = 0; i < N; i++)
        trace += c[i][i];
    printf("%.17g %.17g\n", trace, c[N - 1][N - 1]);
    return 0;
}
