// Runs a program in as many processes as asked: node cluster.js ./program.js PORT PROCESSES
import cluster from "node:cluster";

const [, , program, port, processes] = process.argv;

if (cluster.isPrimary) {
  for (let number = 0; number < Number(processes); number++) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  const { start } = await import(program);
  await start(Number(port));
}
