// NestJS with TypeORM, as its documentation builds it: controller, service, entities, HttpModule, JwtModule, Express.
import "reflect-metadata";
import { HttpModule, HttpService } from "@nestjs/axios";
import { BadRequestException, Body, Controller, Get, Headers, HttpCode, Injectable, Module, Post } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { JwtModule, JwtService } from "@nestjs/jwt";
import { TypeOrmModule } from "@nestjs/typeorm";
import { firstValueFrom } from "rxjs";
import { Column, DataSource, Entity, EntityManager, JoinColumn, ManyToOne, PrimaryColumn, PrimaryGeneratedColumn } from "typeorm";
import http from "node:http";
import * as steps from "./steps.js";

// MySQL's driver gives BIGINT as text.
const number = { from: (value: string | number) => Number(value), to: (value: number) => value };
const bigint = { type: "bigint", transformer: number } as const;

@Entity("users")
class User {
  @PrimaryGeneratedColumn({ type: steps.sqliteFile ? "integer" : "bigint" }) id!: number;
  @Column({ type: "varchar", nullable: true }) nickname!: string | null;
  @Column({ type: "varchar", nullable: true }) avatar_url!: string | null;
  @Column({ type: "smallint", nullable: true }) gender!: number | null;
  @Column(bigint) created_at!: number;
  @Column(bigint) last_login_at!: number;
}

@Entity("identities")
class Identity {
  @PrimaryGeneratedColumn({ type: steps.sqliteFile ? "integer" : "bigint" }) id!: number;
  @Column({ type: "varchar" }) appid!: string;
  @Column({ type: "varchar" }) openid!: string;
  @Column({ type: "varchar", nullable: true }) unionid!: string | null;
  @ManyToOne(() => User) @JoinColumn({ name: "user_id" }) user!: User;
  @Column({ type: "varchar" }) session_key!: string;
}

@Entity("sessions")
class LoginSession {
  @PrimaryColumn({ type: "varchar" }) id!: string;
  @ManyToOne(() => User) @JoinColumn({ name: "user_id" }) user!: User;
  @Column({ type: "varchar" }) device!: string;
  @Column(bigint) created_at!: number;
  @Column(bigint) expires_at!: number;
}

class LoginBody {
  code!: string;
  encryptedData?: string;
  iv?: string;
}

interface Exchanged {
  openid?: string;
  session_key: string;
  unionid?: string;
  errmsg?: string;
}

@Injectable()
class LoginService {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly http: HttpService,
    private readonly jwt: JwtService,
    private readonly dataSource: DataSource,
  ) {}

  async login(body: LoginBody, device: string) {
    const params = { appid: steps.appid, secret: steps.secret, js_code: body.code, grant_type: "authorization_code" };
    const asked = this.http.get<Exchanged>(`${steps.wechat}/sns/jscode2session`, { params, timeout: 5000, responseType: "json" });
    const answer = (await firstValueFrom(asked)).data;
    if (!answer.openid) throw new BadRequestException(answer.errmsg);
    const profile = this.open(answer, body);
    const { user, session, isNew } = await this.transact((manager) => this.store(manager, answer, profile, device));
    const token = await this.jwt.signAsync({ sub: String(user.id), sid: session.id });
    const { id, nickname, avatar_url, gender, created_at } = user;
    const shown = { id: String(id), nickname, avatar_url, gender, created_at };
    const data = { access_token: token, token_type: "Bearer", expires_in: 900, is_new_user: isNew, user: shown };
    return { code: 0, msg: "ok", data };
  }

  private open(answer: Exchanged, body: LoginBody): Partial<User> {
    if (!body.encryptedData) return {};
    try {
      return steps.openProfile(answer.session_key, body.encryptedData, body.iv!);
    } catch {
      throw new BadRequestException("encryptedData");
    }
  }

  private async store(manager: EntityManager, answer: Exchanged, profile: Partial<User>, device: string) {
    const now = steps.seconds();
    const known = { appid: steps.appid, openid: answer.openid! };
    // A transaction is open already: without the option each save would begin another one.
    const within = { transaction: false };
    let identity = await manager.findOne(Identity, { where: known, relations: { user: true } });
    let isNew = false;
    if (!identity) {
      const where = { unionid: answer.unionid };
      const other = answer.unionid ? await manager.findOne(Identity, { where, relations: { user: true } }) : null;
      isNew = !other;
      const user = other?.user ?? manager.create(User, { created_at: now });
      identity = manager.create(Identity, { ...known, user });
    }
    Object.assign(identity.user, profile, { last_login_at: now });
    await manager.save(identity.user, within);
    Object.assign(identity, { unionid: answer.unionid ?? null, session_key: steps.seal(answer.session_key) });
    await manager.save(identity, within);
    const times = { created_at: now, expires_at: now + steps.sessionSeconds };
    const session = manager.create(LoginSession, { id: steps.newSessionId(), user: identity.user, device, ...times });
    await manager.insert(LoginSession, session);
    return { user: identity.user, session, isNew };
  }

  // On SQLite TypeORM has one connection for everybody, and begins with a read: one at a time, and as a writer from the
  // start, or logins of the same process fail in each other's transactions and those of two processes as SQLITE_BUSY.
  private transact<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    if (!steps.sqliteFile) return this.dataSource.transaction(work);
    const mine = this.last.then(() => this.alone(work));
    this.last = mine.catch(() => undefined);
    return mine;
  }

  private async alone<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    await runner.query("BEGIN IMMEDIATE");
    try {
      const done = await work(runner.manager);
      await runner.query("COMMIT");
      return done;
    } catch (error) {
      await runner.query("ROLLBACK");
      throw error;
    } finally {
      await runner.release();
    }
  }
}

@Controller()
class LoginController {
  constructor(private readonly logins: LoginService) {}

  @Post("/api/v1/auth/login")
  @HttpCode(200)
  login(@Body() body: LoginBody, @Headers("user-agent") device = "") {
    return this.logins.login(body, device);
  }

  @Get("/healthz")
  health() {
    return { status: "ok" };
  }
}

const entities = [User, Identity, LoginSession];
const pragmas = (database: { pragma(text: string): void }) => {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
};

@Module({
  imports: [
    HttpModule.register({ httpAgent: new http.Agent({ keepAlive: true }) }),
    JwtModule.register({
      privateKey: steps.signingPem,
      signOptions: { algorithm: "ES256", expiresIn: 900, issuer: steps.issuer, audience: steps.appid },
    }),
    TypeOrmModule.forRoot(
      steps.sqliteFile
        ? { type: "better-sqlite3", database: steps.sqliteFile, entities, timeout: 10000, prepareDatabase: pragmas }
        : { type: "mysql", url: steps.databaseUrl, entities, poolSize: 16 },
    ),
  ],
  controllers: [LoginController],
  providers: [LoginService],
})
class AppModule {}

export async function start(port: number) {
  const app = await NestFactory.create(AppModule, { logger: ["error"] });
  await app.listen(port, "127.0.0.1");
}
